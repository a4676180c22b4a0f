import { enableCompileCache } from 'node:module'
import { fileURLToPath } from 'node:url'

// Every file of tests is a process that loads much the same modules: what the first one compiled
// is kept for the others.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/compiled', import.meta.url)))
