import { mkdir, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { MongoClient } from 'mongodb'
import { monotonic, sleep } from '../async/clock.ts'
import { ferretPrograms, untilAnswers } from './fetch/ferretdb.ts'
import { freePort, giveToServer, run, startDaemon, type Telling } from './fetch/machine.ts'
import { type DemoServer, ending, had, makeFolder } from './server.ts'

const DEADLINE = 60_000

/** FerretDB, which speaks MongoDB's protocol, over a PostgreSQL of its own. */
export async function startMongo(folder: string, telling: Telling): Promise<DemoServer> {
  const { ferretdb, postgres, env, template } = await had(ferretPrograms(telling))
  await makeFolder(folder)
  giveToServer(folder)
  const data = join(folder, 'data')
  await run('cp', ['-R', '--reflink=auto', template, data], { asServer: true })
  await mkdir(join(folder, 'state'))
  giveToServer(join(folder, 'state'))
  const [below, port] = [await freePort(), await freePort()]
  const logPath = join(folder, 'log')
  const log = await open(logPath, 'a')
  const how = { log: log.fd, cwd: folder, env }
  const storage = startDaemon(postgres, ['-D', data, '-p', String(below), '-k', folder], how)
  const storageEnd = ending(storage, 'SIGQUIT')
  const runs = (): boolean => storage.exitCode === null && storage.signalCode === null
  try {
    await untilAnswers(below, { runs, log: logPath })
    const address = `127.0.0.1:${port}`
    const where = `postgres://postgres@127.0.0.1:${below}/postgres`
    const args = ['-address', address, '-storage', where, '-folder', join(folder, 'state')]
    const child = startDaemon(ferretdb, [...args, '-pid', join(folder, 'pid')], how)
    const end = ending(child, 'SIGKILL')
    const url = `mongodb://${address}/shop`
    const version = await answers(url).catch(async (error: unknown) => {
      await end.stop()
      throw error
    })
    return {
      name: 'FerretDB',
      version,
      url,
      port,
      processes: [
        { kind: 'program', pid: child.pid ?? 0 },
        { kind: 'server', pid: storage.pid ?? 0 },
      ],
      ended: Promise.race([end.ended, storageEnd.ended]),
      async stop() {
        await end.stop()
        await storageEnd.stop()
      },
    }
  } catch (error) {
    await storageEnd.stop()
    const text = await readFile(logPath, 'utf8')
    throw new Error(`FerretDB did not start:\n${text.slice(-2000)}`, { cause: error })
  } finally {
    await log.close()
  }
}

/** The version that it says once it answers. */
async function answers(url: string): Promise<string> {
  const until = monotonic() + DEADLINE
  for (;;) {
    const client = new MongoClient(url, { serverSelectionTimeoutMS: 2000, directConnection: true })
    try {
      const about = await client.db('admin').command({ buildInfo: 1 })
      return String(about['ferretdb']?.version ?? '2').replace(/^v/, '')
    } catch (error) {
      if (monotonic() > until) throw error
      await sleep(20)
    } finally {
      await client.close()
    }
  }
}
