import { test } from 'node:test'
import { postgres } from '../../../testkit/servers/index.ts'
import { freePort } from '../../../testkit/servers/machine.ts'
import { certificates } from '../../../testkit/tls.ts'
import { pair, refused, secured } from './support.ts'

/** `url` with some of its parts replaced. */
function changed(url: string, change: (url: URL) => void): string {
  const parts = new URL(url)
  change(parts)
  return parts.href
}

for (const side of ['source', 'target'] as const) {
  const codes = {
    source: { unreachable: 'HF-S101', entry: 'HF-S102', tls: 'HF-S103', database: 'HF-S104' },
    target: { unreachable: 'HF-T201', entry: 'HF-T204', tls: 'HF-T211', database: 'HF-T212' },
  }[side]

  test(`a ${side} URL of an unknown scheme`, async (t) => {
    const { source, target, ends } = await pair(t)
    const words = ['run', ...ends, `--${side}`, 'oracle://h/d']
    const says = new RegExp(`--${side}: there is no ${side} for oracle://`)
    await refused(t, { untouched: [source, target], words, code: 'HF-C101', exit: 2, says })
  })

  test(`a ${side} URL that is none`, async (t) => {
    const { source, target, ends } = await pair(t)
    const words = ['run', ...ends, `--${side}`, 'postgres://u:hunter2/x@h/d']
    const says = new RegExp(`URL of --${side} cannot be read`)
    await refused(t, { untouched: [source, target], words, code: 'HF-C102', exit: 2, says })
  })

  test(`a ${side} URL with a parameter that is none`, async (t) => {
    const { source, target, ends } = await pair(t)
    const words = ['run', ...ends, `--${side}`, 'postgres://h/d?sslmod=require']
    const says = /Did you mean sslmode\?/
    await refused(t, { untouched: [source, target], words, code: 'HF-C103', exit: 2, says })
  })

  test(`a ${side} host that does not exist`, async (t) => {
    const { source, target, ends } = await pair(t)
    const words = ['run', ...ends, `--${side}`, 'postgres://u:hunter2@no-such-host.invalid/d']
    const says = /no-such-host\.invalid/
    await refused(t, {
      untouched: [source, target],
      words,
      code: codes.unreachable,
      exit: 3,
      says,
    })
  })

  test(`a ${side} port where nobody listens`, async (t) => {
    const { source, target, ends } = await pair(t)
    const port = await freePort()
    const words = ['run', ...ends, `--${side}`, `postgres://127.0.0.1:${port}/d`]
    const says = new RegExp(`127\\.0\\.0\\.1:${port}`)
    await refused(t, {
      untouched: [source, target],
      words,
      code: codes.unreachable,
      exit: 3,
      says,
    })
  })

  test(`a ${side} database that does not exist`, async (t) => {
    const { source, target, ends } = await pair(t)
    const url = changed({ source, target }[side].url, (parts) => {
      parts.pathname = '/no_such_database'
    })
    const words = ['run', ...ends, `--${side}`, url]
    const says = /no_such_database/
    await refused(t, { untouched: [source, target], words, code: codes.database, exit: 3, says })
  })

  test(`a ${side} password that is wrong, and one that is missing`, async (t) => {
    await using guarded = await postgres(18, {
      hba: ['host all postgres 127.0.0.1/32 trust', 'host all all 127.0.0.1/32 scram-sha-256'],
    })
    const { source, target, ends } = await pair(
      t,
      side === 'source' ? guarded : 18,
      side === 'target' ? guarded : 18,
    )
    const guardedDatabase = { source, target }[side]
    await guardedDatabase.query("create role app login superuser password 'right'")
    for (const password of ['hunter2', '']) {
      const url = changed(guardedDatabase.url, (parts) => {
        parts.username = 'app'
        parts.password = password
      })
      const words = ['run', ...ends, `--${side}`, url]
      const says = /password/
      await refused(t, { untouched: [source, target], words, code: codes.entry, exit: 3, says })
    }
  })

  test(`a ${side} without TLS where TLS is required`, async (t) => {
    const { source, target, ends } = await pair(t)
    const words = ['run', ...ends, `--${side}`, `${{ source, target }[side].url}?sslmode=require`]
    const says = /sslmode|TLS|SSL/
    await refused(t, { untouched: [source, target], words, code: codes.tls, exit: 3, says })
  })

  test(`a ${side} whose certificate is for another host, or of another authority`, async (t) => {
    await using made = await certificates()
    await using server = await secured(made.server['wrong-host'])
    const { source, target, ends } = await pair(
      t,
      side === 'source' ? server : 18,
      side === 'target' ? server : 18,
    )
    const { url } = { source, target }[side]
    for (const [mode, authority] of [
      ['verify-full', made.authority],
      ['verify-ca', made.stranger],
    ]) {
      const words = ['run', ...ends, `--${side}`, `${url}?sslmode=${mode}&sslrootcert=${authority}`]
      const says = /certificate/
      await refused(t, { untouched: [source, target], words, code: codes.tls, exit: 3, says })
    }
  })
}
