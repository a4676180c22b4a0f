import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { type Child, holdfast } from './child.ts'

/** `holdfast …` in a folder of its own. */
export interface Folder {
  command(...args: readonly string[]): Child
  /** How it ended, and all lines that it wrote. */
  said(...args: readonly string[]): Promise<{ readonly code: number | null; readonly out: string }>
}

/** With this configuration; removed with the test. */
export async function folder(t: TestContext, config: string): Promise<Folder> {
  const cwd = await mkdtemp(join(tmpdir(), 'holdfast-folder-'))
  t.after(() => rm(cwd, { recursive: true, force: true }))
  await writeFile(join(cwd, 'holdfast.yaml'), config)
  const command = (...args: readonly string[]): Child => holdfast(args, { cwd })
  return {
    command,
    async said(...args) {
      await using child = command(...args)
      const { code } = await child.end({ within: 120_000 })
      return { code, out: child.lines.join('\n') }
    },
  }
}
