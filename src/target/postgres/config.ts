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
