/** The last two words of a topic's name. */
export function topicNames(topic: string): { readonly schema: string; readonly name: string } {
  const words = topic.split('.')
  return { schema: words.at(-2) ?? '', name: words.at(-1) ?? topic }
}
