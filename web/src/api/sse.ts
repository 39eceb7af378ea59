// Server-sent events out of bytes that are cut anywhere: the `data` of each event.

export class EventReader {
  #decoder = new TextDecoder()
  #rest = ''
  #data: string[] = []

  /** The events that `bytes` completes. */
  add(bytes: Uint8Array): string[] {
    const events: string[] = []
    this.#rest += this.#decoder.decode(bytes, { stream: true })
    let from = 0
    for (;;) {
      const at = this.#rest.indexOf('\n', from)
      if (at < 0) break
      this.#line(this.#rest.slice(from, at).replace(/\r$/, ''), events)
      from = at + 1
    }
    this.#rest = this.#rest.slice(from)
    return events
  }

  #line(line: string, events: string[]): void {
    if (line === '') {
      if (this.#data.length) events.push(this.#data.join('\n'))
      this.#data = []
    } else if (line.startsWith('data:')) {
      this.#data.push(line.slice(line[5] === ' ' ? 6 : 5))
    }
  }
}
