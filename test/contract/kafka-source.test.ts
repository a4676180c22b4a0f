import { kafkaStand } from './kafka.ts'
import { describeSource } from './source.ts'

describeSource('topics of Kafka', kafkaStand, 'log')
