import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

/** How a Java program is started. */
export interface Launch {
  readonly classpath: string
  readonly main: string
  readonly args: readonly string[]
  /** The most memory for objects, as `-Xmx` takes it. */
  readonly heap: string
  readonly properties?: Readonly<Record<string, string>>
  readonly env?: Readonly<Record<string, string>>
  /** As fast as it can be, for one that is measured; else it starts soon and takes little. */
  readonly fast?: boolean
}

// Little memory and a quick start rather than the last of speed: tests live for seconds.
const frugal = ['-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Xms32m', '-Xss512k']

/** The arguments of `java`. */
export function javaArguments(launch: Launch): readonly string[] {
  const properties = { 'java.awt.headless': 'true', ...launch.properties }
  return [
    ...(launch.fast === true ? [] : frugal),
    `-Xmx${launch.heap}`,
    ...Object.entries(properties).map(([name, value]) => `-D${name}=${value}`),
    '-cp',
    launch.classpath,
    launch.main,
    ...launch.args,
  ]
}

/** Whether somebody says 200 there. */
export async function answers(url: string): Promise<boolean> {
  try {
    return (await fetch(url)).ok
  } catch {
    return false
  }
}

const logging = `<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="WARN">
  <Appenders>
    <Console name="out" target="SYSTEM_OUT">
      <PatternLayout pattern="%d{ISO8601} %p [%t] %c{1} - %m%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Root level="INFO"><AppenderRef ref="out"/></Root>
    <Logger name="org.apache.kafka.clients" level="WARN"/>
    <Logger name="org.apache.kafka.common.config.AbstractConfig" level="WARN"/>
  </Loggers>
</Configuration>
`

/** Tells a Java program of this family how to log; gives the property that names the file. */
export async function logTo(folder: string): Promise<Readonly<Record<string, string>>> {
  const file = join(folder, 'log4j2.xml')
  await writeFile(file, logging)
  return { 'log4j2.configurationFile': `file:${file}` }
}

/** A file of settings as Java reads it. */
export function propertiesText(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([name, value]) => `${name}=${value}`)
  return `${lines.join('\n')}\n`
}
