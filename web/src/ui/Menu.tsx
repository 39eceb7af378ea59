// A button with a few things to do behind it.
import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import { Icon, IconButton, type IconName } from './icons.tsx'

export interface MenuItem {
  icon: IconName
  label: string
  run: () => void
}

export function Menu({ label, items }: { label: string; items: MenuItem[] }) {
  const isOpen = useSignal(false)
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => {
    if (!isOpen.value) return
    box.current?.querySelector<HTMLElement>('[role=menuitem]')?.focus()
    const closeOutside = (e: Event) => box.current?.contains(e.target as Node) || (isOpen.value = false)
    addEventListener('pointerdown', closeOutside)
    return () => removeEventListener('pointerdown', closeOutside)
  }, [isOpen.value])
  const close = () => {
    isOpen.value = false
    box.current?.querySelector<HTMLElement>('button')?.focus()
  }
  return (
    <div
      class="menu"
      ref={box}
      onKeyDown={(e) => isOpen.value && onMenuKey(e, close)}
      onFocusOut={(e) => e.relatedTarget && !box.current?.contains(e.relatedTarget as Node) && (isOpen.value = false)}
    >
      <IconButton icon="more" label={label} expanded={isOpen.value} onClick={() => (isOpen.value = !isOpen.value)} />
      {isOpen.value && (
        <div class="menu-items" role="menu" aria-label={label}>
          {items.map((item) => (
            <button
              key={item.label}
              type="button"
              role="menuitem"
              onClick={() => {
                close()
                item.run()
              }}
            >
              <Icon name={item.icon} size={16} /> {item.label}
            </button>
          ))}
        </div>
      )}
    </div>
  )
}

function onMenuKey(event: KeyboardEvent, close: () => void): void {
  const list = [...(event.currentTarget as Element).querySelectorAll<HTMLElement>('[role=menuitem]')]
  const at = list.indexOf(document.activeElement as HTMLElement)
  const to: Record<string, number> = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 }
  if (event.key === 'Escape') {
    event.stopPropagation()
    close()
  } else if (event.key in to) {
    event.preventDefault()
    list.at(to[event.key]! % list.length)?.focus()
  }
}
