/** A lease that was not renewed for this long, by the target's clock, may be taken over. */
export const LEASE_MS = 3000
export const RENEW_MS = 1000
/** A renewal that has no answer for this long means that the connection is dead. */
export const RENEW_ANSWER_MS = 10_000
/** How long giving a lease back may take; it runs out by itself, too. */
export const GOODBYE_MS = 2000
/** How often a claim looks again at a lease that is held. */
export const LOOK_AGAIN_MS = 100

/** Names of the encodings that PostgreSQL ends agree on. */
export const BINARY_STREAM = 'pg-binary'
export const TEXT_STREAM = 'pg-text'
/**
 * The CopyData messages of COPY … TO STDOUT, which COPY … FROM STDIN takes as they are, in its binary
 * and in its text format. Every piece of such rows holds whole messages.
 */
export const BINARY_COPY = 'pg-copy-binary'
export const TEXT_COPY = 'pg-copy-text'
export const VALUES = 'values'
