// A message, edited in its place.
import { useEffect, useRef } from 'preact/hooks'

interface EditorProps {
  text: string
  label: string
  action: string
  hint: string
  save: (text: string) => void
  cancel: () => void
}

export function Editor({ text, label, action, hint, save, cancel }: EditorProps) {
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    field.current?.focus()
    field.current?.setSelectionRange(text.length, text.length)
  }, [])
  return (
    <form
      class="editor"
      onSubmit={(e) => {
        e.preventDefault()
        save(field.current!.value.trim())
      }}
    >
      <textarea
        ref={field}
        aria-label={label}
        rows={Math.min(16, Math.max(3, text.split('\n').length + 1))}
        defaultValue={text}
        onKeyDown={(e) => {
          if (e.key === 'Escape') {
            e.stopPropagation()
            cancel()
          } else if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
            e.preventDefault()
            save(e.currentTarget.value.trim())
          }
        }}
      />
      <div class="buttons">
        <span class="hint">{hint}</span>
        <span class="space" />
        <button type="button" onClick={cancel}>
          Cancel
        </button>
        <button type="submit" class="primary">
          {action}
        </button>
      </div>
    </form>
  )
}
