// Icons: one stroke width, one grid of 20, drawn for this page. They are decoration; buttons carry their own labels.
const SHAPES = {
  gem: 'M5.5 4h9L18 9l-8 8.5L2 9zM2 9h16M7.2 9 10 17.5 12.8 9 10 4z',
  plus: 'M10 4v12M4 10h12',
  menu: 'M3.5 6h13M3.5 10h13M3.5 14h13',
  panel: 'M3.5 4.5h13v11h-13zM8 4.5v11',
  sliders: 'M4 6h7M15 6h1M4 14h1M9 14h7M13 4v4M7 12v4',
  send: 'M10 16V4.5M5 9.2 10 4.3l5 4.9',
  stop: 'M6 6h8v8H6z',
  picture: 'M3.5 4.5h13v11h-13zM3.5 13l3.8-3.6 3.2 3 2.4-2.2 3.6 3.3M12.8 7.8h.01',
  camera: 'M3 6.5h3.4L7.8 4.5h4.4l1.4 2H17v9H3zM10 13.3a2.6 2.6 0 1 0 0-5.2 2.6 2.6 0 0 0 0 5.2z',
  copy: 'M7.5 7.5h8v8h-8zM12.5 7.5v-3h-8v8h3',
  check: 'm4.5 10.5 3.7 3.7 7.3-8',
  again: 'M15.8 8.2A6.2 6.2 0 1 0 16 11.6M16 4.5v4h-4',
  pencil: 'm4 16 .8-3.3L13 4.5l2.5 2.5-8.2 8.2zM11.3 6.2l2.5 2.5',
  branch: 'M6 4.5v11M6 11c0-3 8-1.5 8-5.5M6 4.5h.01M14 4.5v1',
  fork: 'M5.5 7.3a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM5.5 16.1a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM14.5 8.3a1.7 1.7 0 1 0 0-3.4 1.7 1.7 0 0 0 0 3.4zM5.5 7.3v5.4M14.5 8.3c0 3-6 2-9 4.4',
  trash: 'M4 6h12M8 6V4h4v2M5.5 6l.7 10h7.6l.7-10M8.5 9v4M11.5 9v4',
  close: 'm5 5 10 10M15 5 5 15',
  left: 'm12 5-5 5 5 5',
  right: 'm8 5 5 5-5 5',
  down: 'm5 8 5 5 5-5',
  more: 'M4.6 9.4a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2zM10 9.4a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2zM15.4 9.4a.6.6 0 1 1 0 1.2.6.6 0 0 1 0-1.2z',
  goon: 'M4 5v10M8 10h8M12.5 6.5 16 10l-3.5 3.5',
  search: 'M9 14.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zM13 13l4 4',
  download: 'M10 3.5v9M6 9l4 4 4-4M4 16h12',
  upload: 'M10 13V4M6 7.5l4-4 4 4M4 16h12',
  sun: 'M10 13.2a3.2 3.2 0 1 0 0-6.4 3.2 3.2 0 0 0 0 6.4zM10 2.5v1.7M10 15.8v1.7M2.5 10h1.7M15.8 10h1.7M4.7 4.7l1.2 1.2M14.1 14.1l1.2 1.2M4.7 15.3l1.2-1.2M14.1 5.9l1.2-1.2',
  moon: 'M16 11.8A6.5 6.5 0 0 1 8.2 4a6.5 6.5 0 1 0 7.8 7.8z',
  tool: 'M12.6 4.2a3.6 3.6 0 0 0-3.9 5L3.7 14.2l2.1 2.1 5-5a3.6 3.6 0 0 0 5-3.9l-2.3 2.3-2.1-.6-.6-2.1z',
  play: 'M7 4.5v11l8.5-5.5z',
  warn: 'M10 3.5 17.5 16h-15zM10 8.5v3.5M10 14h.01',
  keyboard: 'M2.5 5.5h15v9h-15zM5.5 8.5h.01M8.5 8.5h.01M11.5 8.5h.01M14.5 8.5h.01M6.5 11.7h7',
  system: 'M3.5 4.5h13v9h-13zM7.5 16.5h5M10 13.5v3',
} as const

export type IconName = keyof typeof SHAPES

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" viewBox="0 0 20 20" width={size} height={size} aria-hidden="true" focusable="false">
      <path d={SHAPES[name]} />
    </svg>
  )
}

interface IconButtonProps {
  icon: IconName
  label: string
  onClick?: (event: MouseEvent) => void
  class?: string
  disabled?: boolean
  pressed?: boolean
  expanded?: boolean
  keys?: string // shortcut, for the tip
  id?: string
}

/** A button that is an icon; its label is its name and its tip. */
export function IconButton({ icon, label, onClick, class: extra = '', disabled, pressed, expanded, keys, id }: IconButtonProps) {
  return (
    <button
      type="button"
      id={id}
      class={`icon-button ${extra}`}
      aria-label={label}
      title={keys ? `${label} (${keys})` : label}
      aria-pressed={pressed}
      aria-expanded={expanded}
      disabled={disabled}
      onClick={onClick}
    >
      <Icon name={icon} />
    </button>
  )
}
