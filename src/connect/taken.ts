import type { ConnectOffset } from './answers.ts'

/**
 * Whether a connector's first snapshot is complete, by the places that it has stored: there are
 * some, and none of them says that it stands within one.
 */
export function isSnapshotTaken(offsets: readonly ConnectOffset[]): boolean {
  const places = offsets.flatMap(({ offset }) => (offset === null ? [] : [offset]))
  return places.length > 0 && places.every((place) => !isWithin(place))
}

function isWithin(place: Readonly<Record<string, unknown>>): boolean {
  const { snapshot, last_snapshot_record: last, snapshot_completed: completed } = place
  if (last === true || completed === true) return false
  return snapshot !== undefined && snapshot !== null && snapshot !== false && snapshot !== 'false'
}
