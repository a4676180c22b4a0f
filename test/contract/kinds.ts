import { insert, large, remove, truncate, update, type Write } from './writes.ts'

export const many = (count: number, write: (i: number) => Write): Write[] =>
  Array.from({ length: count }, (_, i) => write(i))

/** The kind that comes last, since rows look different after it. */
export const shaping = 'a column is added before the rows that have it'

/** Transactions of one kind each, small ones and large ones. */
export const kinds: Readonly<Record<string, readonly (readonly Write[])[]>> = {
  'rows are inserted': [
    [insert('plain', 'n', 'x'), insert('loose', 'l', null), insert('wide', null, 'w', 'small')],
    many(300, (i) => insert('plain', `n${i}`, i % 7 === 0 ? null : `é\t\\${i}\n`)),
    many(300, (i) => insert('wide', '', `n${i}`, i % 5 === 0 ? large(`${i}`) : null)),
  ],
  'rows are updated, cells that are unchanged kept': [
    [update('plain', { id: 'a' }, { a: 'y' }), update('wide', { id: 'a' }, { a: null })],
    many(200, (i) => insert('wide', null, `n${i}`, large(`${i}`))),
    many(200, (i) => update('wide', { id: `n${i}` }, { a: `z${i}` })),
    many(200, (i) => update('wide', { id: `n${i}` }, { big: i % 2 === 0 ? null : 'now small' })),
  ],
  'keys change': [
    [update('plain', { id: 'a' }, { id: 'z' }), update('wide', { id: 'a' }, { id: 'z', a: 'm' })],
    [
      update('plain', { id: 'b' }, { id: 'swap' }),
      update('plain', { id: 'c' }, { id: 'b' }),
      update('plain', { id: 'swap' }, { id: 'c', a: 'swapped' }),
    ],
  ],
  'rows are deleted': [
    [remove('plain', { id: 'a' }), remove('wide', { id: 'b' })],
    many(200, (i) => insert('plain', `n${i}`, null)),
    many(200, (i) => remove('plain', { id: `n${i}` })),
  ],
  'rows without a key are found, one of several': [
    [insert('loose', null, null), insert('loose', null, null), insert('loose', 'x', null)],
    [update('loose', { a: 'same', b: 'same' }, { b: 'other' })],
    [remove('loose', { a: null, b: null }), update('loose', { a: 'x', b: null }, { a: null })],
    many(40, (i) => insert('loose', 'd', i % 2 === 0 ? 'even' : null)),
    many(20, () => remove('loose', { a: 'd', b: null })),
  ],
  'tables are emptied together': [
    [truncate('plain', 'loose'), insert('plain', 'new', null)],
    [truncate('wide'), insert('wide', null, 'a', null), truncate('plain', 'wide')],
  ],
  [shaping]: [
    [
      { kind: 'column', table: 'plain', name: 'more' },
      insert('plain', 'n', 'x', 'there'),
      update('plain', { id: 'a' }, { more: 'too' }),
    ],
    [update('plain', { id: 'b' }, { more: 'later' }), remove('plain', { id: 'c' })],
  ],
}

/** A change that can be made once, and one that may have to come before it is made again. */
export const divergences: Readonly<Record<string, readonly [Write, Write | null]>> = {
  'an insert of a row that is there': [insert('plain', 'n', 'x'), null],
  'an update of a row that is gone': [
    update('plain', { id: 'a' }, { a: 'x' }),
    remove('plain', { id: 'a' }),
  ],
  'a change of key of a row that is gone': [update('plain', { id: 'b' }, { id: 'z' }), null],
  'a delete of a row that is gone': [remove('plain', { id: 'c' }), null],
  'a delete of a row without a key that is gone': [remove('loose', { a: 'single', b: null }), null],
  'an update of a row without a key that is gone': [
    update('loose', { a: 'same', b: 'same' }, { a: 'x' }),
    truncate('loose'),
  ],
}
