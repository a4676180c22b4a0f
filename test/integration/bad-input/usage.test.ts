import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pair, refused, scratch } from './support.ts'

test('an unknown verb', async (t) => {
  const { source, target } = await pair(t)
  const says = /Did you mean run\?/
  await refused(t, { untouched: [source, target], words: ['rnu'], code: 'HF-C010', exit: 2, says })
})

test('an unknown flag', async (t) => {
  const { source, target, ends } = await pair(t)
  const words = ['run', ...ends, '--exlude', 'a.*']
  const says = /Did you mean --exclude\?/
  await refused(t, { untouched: [source, target], words, code: 'HF-C011', exit: 2, says })
})

test('a value that a flag does not have', async (t) => {
  const { source, target, ends } = await pair(t)
  const words = ['run', ...ends, '--keyless', 'ignore']
  const says = /refuse, exclude, append/
  await refused(t, { untouched: [source, target], words, code: 'HF-C012', exit: 2, says })
})

test('an unknown key of the configuration', async (t) => {
  const { source, target } = await pair(t)
  const file = join(scratch(t), 'mirror.yaml')
  const mirror = {
    name: 'shop',
    source: { url: source.url },
    target: { url: target.url },
    tabels: {},
  }
  writeFileSync(file, JSON.stringify({ version: 1, mirrors: [mirror] }))
  const words = ['run', '--config', file]
  const says = /mirror\.yaml:1:\d+ {2}unknown key "tabels"[\s\S]*did you mean "tables"\?/
  await refused(t, { untouched: [source, target], words, code: 'HF-C003', exit: 2, says })
})

test('a name that cannot name a mirror', async (t) => {
  const { source, target, ends } = await pair(t)
  const words = ['run', ...ends, '--name', 'Shop; drop table item']
  const says = /cannot name a mirror/
  await refused(t, { untouched: [source, target], words, code: 'HF-C015', exit: 2, says })
})

test('a position that is none', async (t) => {
  const { source, target, ends } = await pair(t)
  const words = ['run', ...ends, '--until', 'tomorrow']
  const says = /"tomorrow"/
  await refused(t, { untouched: [source, target], words, code: 'HF-C012', exit: 2, says })
})

test('a pattern that cannot be read', async (t) => {
  const { source, target, ends } = await pair(t)
  const words = ['run', ...ends, '--include', 'a.b.c.d']
  const says = /a\.b\.c\.d/
  await refused(t, { untouched: [source, target], words, code: 'HF-C104', exit: 2, says })
})

test('no table that matches', async (t) => {
  const { source, target, ends } = await pair(t)
  const words = ['run', ...ends, '--include', 'public.itme']
  const says = /public\.itme/
  await refused(t, { untouched: [source, target], words, code: 'HF-C105', exit: 2, says })
})

test('the target is the source', async (t) => {
  const { source, target } = await pair(t)
  const words = ['run', '--source', source.url, '--target', source.url]
  const says = /same database/
  await refused(t, { untouched: [source, target], words, code: 'HF-C110', exit: 4, says })
})

test('mirroring by environment without its settings', async (t) => {
  const { source, target } = await pair(t)
  const env = {
    DATABASE_MIRROR_ENABLED: 'true',
    DATABASE_URL: source.url,
    MIRROR_DB_HOST: '127.0.0.1',
    MIRROR_DB_PASSWORD: '',
  }
  const says = /MIRROR_DB_NAME, MIRROR_DB_USER, MIRROR_DB_PASSWORD/
  const words = ['run']
  await refused(t, { untouched: [source, target], words, env, code: 'HF-C006', exit: 2, says })
})
