import { mongoFixture } from './mongodb.ts'
import { describeTarget } from './target.ts'

describeTarget('MongoDB’s protocol', mongoFixture)
