// Small things that the browser keeps for this page, where it lets a page keep anything.

export function recall(key: string): string | null {
  try {
    return localStorage.getItem(key)
  } catch {
    return null
  }
}

export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // full or forbidden: it holds until the page is left
  }
}
