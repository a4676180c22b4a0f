/** The collection that holds what Holdfast knows of its mirrors. */
export const STATE = '_holdfast'
/** What documents of the state are; a later version is not touched. */
export const STATE_VERSION = 1
/** The field of a mirrored document that says where in the log it stands. */
export const MARK = '_holdfast'
/** Where the history of all tables is kept. */
export const CHANGES = 'row_changes'

/** Milliseconds that the server lets a command run that writes rows. */
export const COMMAND_MS = 5000
/**
 * Without transactions nothing at the server stops what an earlier holder has sent. So a lease runs
 * out only after the last command that was sent under it has ended, whether its holder lives or not.
 */
export const PATIENT_LEASE_MS = 7000

/** Documents and bytes of one command. */
export const COMMAND_DOCUMENTS = 1000
export const COMMAND_BYTES = 4 << 20
/** Commands under way at once, where each document is written by itself. */
export const AT_ONCE = 3
/** The largest document that a server stores. */
export const LARGEST_DOCUMENT = 16 << 20

/** How long a comparison may keep the mirror still without a sign of life, and how often it gives one. */
export const STILL_MS = 15_000
export const STILL_AGAIN_MS = 2000
/** How often a mirror that stands still looks whether it may go on. */
export const STILL_LOOK_MS = 100
