import { boundsSuite } from '../../testkit/bounds/suite.ts'

// Promise 8, with loads as large as they come.

boundsSuite('large', 100)
