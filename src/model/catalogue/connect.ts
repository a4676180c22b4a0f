import type { CatalogueEntry } from './entry.ts'
import { snapshotAnew } from './parts.ts'

const kept = 'Nothing is lost: what was read stands in Kafka, and the source keeps the rest.'
const untouched = 'Nothing was changed at the worker, in Kafka or at the source.'
const look = { text: 'See it task by task.', run: 'holdfast connectors status' } as const
const again = {
  text: 'Then start again what has failed.',
  run: 'holdfast connectors restart NAME',
} as const

/** Workers of Kafka Connect, and what has become of a connector's tasks. */
export const connectFaults = {
  'HF-K401': {
    title: 'The worker of Kafka Connect cannot be reached',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'The worker is down or restarting, the address is wrong, or a network stands between. It may speak TLS with a certificate that is not known here (NODE_EXTRA_CA_CERTS).',
    safe: kept,
    todo: [
      {
        text: 'Check the address, and that the worker answers from here.',
        run: 'holdfast connectors list --connect http://HOST:8083',
      },
    ],
  },
  'HF-K402': {
    title: 'The worker of Kafka Connect refuses us',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'It, or a proxy before it, asks for a user and a password that were not given or are wrong.',
    safe: untouched,
    todo: [
      {
        text: 'Put user and password into the address.',
        run: 'holdfast connectors list --connect https://USER:PASSWORD@HOST:8083',
      },
    ],
  },
  'HF-K403': {
    title: 'There is no such connector',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'Names are those of the worker’s group, with capital letters as they were given.',
    safe: untouched,
    todo: [{ text: 'See which there are.', run: 'holdfast connectors list' }],
  },
  'HF-K404': {
    title: 'There is a connector of that name already',
    class: 'config',
    severity: 'error',
    exit: 2,
    why: 'Every worker of the group knows the same connectors, and a name is taken once.',
    safe: untouched,
    todo: [
      { text: 'Look at it, and choose another name.', run: 'holdfast connectors status NAME' },
    ],
  },
  'HF-K405': {
    title: 'The connector refuses its settings',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'The connector’s own validation, which also enters the database, found them wrong.',
    safe: untouched,
    todo: [
      {
        text: 'Correct what it names, and ask again.',
        run: 'holdfast connectors validate NAME --source URL',
      },
    ],
  },
  'HF-K406': {
    title: 'The worker has not the plugin of this connector',
    class: 'persistent',
    severity: 'error',
    exit: 4,
    why: 'A plugin is a folder below the worker’s plugin.path; it is read when the worker starts.',
    safe: untouched,
    todo: [
      { text: 'Install the plugin on each worker of the group and restart them.' },
      {
        text: 'Then ask again.',
        run: 'holdfast connectors validate NAME --source URL',
      },
    ],
  },
  'HF-K407': {
    title: 'The workers of Kafka Connect do not come to rest',
    class: 'transient',
    severity: 'error',
    exit: 3,
    why: 'The group is dividing its connectors anew, again and again: workers come and go, or one does not answer in time.',
    safe: kept,
    todo: [
      { text: 'Look at the logs of the workers until the group is stable.' },
      { text: 'Then ask again.', run: 'holdfast connectors list' },
    ],
  },
  'HF-K408': {
    title: 'Offsets of a connector that is not stopped',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'A connector that runs, or is paused, would write its own offsets over them.',
    safe: untouched,
    todo: [
      {
        text: 'Stop it first; its offsets and settings stay.',
        run: 'holdfast connectors stop NAME',
      },
    ],
  },
  'HF-K409': {
    title: 'A password would be stored in the clear',
    class: 'config',
    severity: 'error',
    exit: 5,
    why: 'Kafka Connect keeps settings as they are in a topic, and shows them to everybody who asks it.',
    safe: untouched,
    todo: [
      {
        text: 'Give a reference that the worker resolves, and let the worker have a provider for it (config.providers=env,file).',
        run: 'holdfast connectors create NAME --source URL --password-from env:SOURCE_PASSWORD',
      },
      { text: 'Or accept it for a trial, with --plain-secrets.' },
    ],
  },
  'HF-K410': {
    title: 'The worker of Kafka Connect answers otherwise than it should',
    class: 'persistent',
    severity: 'error',
    exit: 3,
    why: 'Something else listens at that address, its version is not known, or the worker itself fails.',
    safe: kept,
    todo: [
      {
        text: 'Look at the log of the worker, and give the address that it listens at.',
        run: 'holdfast connectors list --connect http://HOST:8083',
      },
    ],
  },
  'HF-K411': {
    title: 'The connector has no connection to its database or broker',
    class: 'transient',
    severity: 'error',
    exit: 1,
    why: 'The database or the broker is not there. A task tries again by itself, called RUNNING all the time, or gives up and is FAILED.',
    safe: kept,
    todo: [
      {
        text: 'Start again what has failed, with growing waits.',
        run: 'holdfast connectors restart NAME',
      },
    ],
  },
  'HF-K412': {
    title: 'The connector is refused by its database',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'User or password of the connector are wrong or have expired.',
    safe: kept,
    todo: [{ text: 'Correct what the reference in its settings names.' }, again],
  },
  'HF-K413': {
    title: 'The log that a task of the connector stands at is gone',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'The slot was dropped or made anew, the server removed the log that was still to be read, or the connector’s memory of the tables is gone. Changes of that time are not in the topics and will not come by themselves.',
    safe: 'What was read stands in Kafka. What happened at the source after it was not read.',
    todo: [
      ...snapshotAnew,
      { text: 'Bound the time that the source keeps its log by what the connector may be away.' },
    ],
  },
  'HF-K414': {
    title: 'A task of the connector lacks a right',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'The user of the connector may not replicate, read a table or own the publication, or the broker refuses a topic.',
    safe: kept,
    todo: [{ text: 'Grant what the log of the worker names.' }, again],
  },
  'HF-K415': {
    title: 'A task of the connector cannot read or write a record',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'A schema, a statement or a value is not what the connector or its converter takes. It stays before the record, and nothing is skipped.',
    safe: kept,
    todo: [{ text: 'Look at the log of the worker for the record, and mend its cause.' }, again],
  },
  'HF-K416': {
    title: 'A task of a sink is refused by its target',
    class: 'data',
    severity: 'critical',
    exit: 1,
    why: 'A constraint or a type of the target does not take a row. The sink stays before it.',
    safe: kept,
    todo: [{ text: 'Look at the log of the worker for the row, and mend row or target.' }, again],
  },
  'HF-K417': {
    title: 'A record is larger than the broker takes',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'message.max.bytes of the broker, max.message.bytes of the topic or max.request.size of the connector’s producer is too small for a row.',
    safe: kept,
    todo: [{ text: 'Raise all three.' }, again],
  },
  'HF-K418': {
    title: 'A task of the connector has wrong settings',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'A setting is missing or has a value that the connector cannot use.',
    safe: kept,
    todo: [{ text: 'Correct its settings; the log of the worker names the one.' }, again],
  },
  'HF-K419': {
    title: 'A task of the connector has failed',
    class: 'persistent',
    severity: 'critical',
    exit: 1,
    why: 'Its trace is of no kind that is known here. It is not shown, since traces may hold rows.',
    safe: kept,
    todo: [{ text: 'Read the log of the worker.' }, again],
  },
  'HF-K420': {
    title: 'A connector runs without a task',
    class: 'transient',
    severity: 'critical',
    exit: 1,
    why: 'The worker calls the connector RUNNING, and nobody reads anything: its tasks were not made, or were not given to a worker.',
    safe: kept,
    todo: [look, { text: 'Restart the workers of the group one after another.' }],
  },
  'HF-K421': {
    title: 'A connector cannot be asked for a snapshot',
    class: 'config',
    severity: 'error',
    exit: 4,
    why: 'It does not listen to a topic of signals (signal.enabled.channels, signal.kafka.topic), is paused by a person, or none of the connectors of the mirror fills the topic.',
    safe: 'Nothing was asked for, and nothing of the mirror was changed.',
    todo: [
      {
        text: 'Let it listen; its other settings stay. holdfast connectors create sets this.',
        run: `curl -X PATCH -H 'Content-Type: application/json' http://HOST:8083/connectors/NAME/config -d '{"signal.enabled.channels":"kafka","signal.kafka.topic":"NAME.signals","signal.kafka.bootstrap.servers":"HOST:PORT"}'`,
      },
      { text: 'Let it run, if it is paused.', run: 'holdfast connectors resume NAME' },
      { text: 'Then ask again.', run: 'holdfast resync-tables' },
    ],
  },
} satisfies Record<string, CatalogueEntry>
