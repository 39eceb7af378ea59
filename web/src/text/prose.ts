// A text that grows, shown as Markdown: blocks that are complete are rendered once and never touched again; of the last
// one only what changed is.
import type { Token } from 'marked'
import { blocksOf, render } from './markdown.ts'
import { mend } from './mend.ts'
import { morph } from './morph.ts'

/** What the last update took, in ms: whoever sends updates leaves time between them. */
export let updateCost = 0

export class Prose {
  #host: HTMLElement
  #shown: string[] = [] // the Markdown of each child of the host
  #settled = '' // the beginning of the text that is cut into blocks for good
  #settledBlocks: Token[] = []

  constructor(host: HTMLElement) {
    this.#host = host
  }

  update(text: string, isOpen: boolean): void {
    const began = performance.now()
    const blocks = isOpen ? this.#grow(text) : blocksOf(text)
    blocks.forEach((block, i) => this.#show(i, block))
    while (this.#host.children.length > blocks.length) this.#host.lastElementChild!.remove()
    this.#shown.length = blocks.length
    updateCost = performance.now() - began
  }

  #show(i: number, block: Token): void {
    if (this.#shown[i] === block.raw) return
    let child = this.#host.children[i]
    if (!child) {
      child = document.createElement('div')
      child.className = 'block'
      this.#host.append(child)
    }
    morph(child, render(block))
    this.#shown[i] = block.raw
  }

  /** Only whole lines settle, and never the last block of them: the next line may belong to it. */
  #grow(text: string): Token[] {
    if (!text.startsWith(this.#settled)) {
      this.#settled = ''
      this.#settledBlocks = []
    }
    const lines = text.slice(this.#settled.length, text.lastIndexOf('\n') + 1)
    const whole = blocksOf(lines)
    for (const block of whole.slice(0, -1)) {
      const at = text.indexOf(block.raw, this.#settled.length)
      if (at < 0) break
      this.#settled = text.slice(0, at + block.raw.length)
      this.#settledBlocks.push(block)
    }
    return [...this.#settledBlocks, ...blocksOf(mend(text.slice(this.#settled.length)))]
  }
}
