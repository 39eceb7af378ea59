// Copying, also where the page is not on https or localhost and browsers offer no clipboard.

export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    area.className = 'visually-hidden'
    document.body.append(area)
    area.select()
    const isCopied = document.execCommand('copy')
    area.remove()
    return isCopied
  }
}

/** Copy buttons of code blocks, which are no components: one listener for all of them. */
export function listenForCopies(root: HTMLElement): void {
  root.addEventListener('click', (event) => {
    const button = (event.target as Element).closest<HTMLButtonElement>('button[data-copy]')
    const code = button?.closest('.code')?.querySelector('code')
    if (!button || !code) return
    void copy(code.textContent ?? '').then((isCopied) => {
      button.textContent = isCopied ? 'Copied' : 'Not copied'
      setTimeout(() => (button.textContent = 'Copy'), 1600)
    })
  })
}
