import { boundsSuite } from '../../testkit/bounds/suite.ts'

// Promise 8, with loads that every run can afford; `npm run bounds` has the large ones.

boundsSuite('small', 6)
