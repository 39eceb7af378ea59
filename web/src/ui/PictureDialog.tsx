// A picture, large: its crops, what they cost, and the Pan & Scan switch as long as it has not been sent.
import { useEffect, useRef } from 'preact/hooks'
import type { View } from '../api/types.ts'
import type { Detail, Picture } from '../data/types.ts'
import { canSee } from '../data/server.ts'
import { tokensOf } from '../pictures/crops.ts'
import { Dialog } from './Dialog.tsx'
import { count } from './format.ts'
import { CropLines, usePicture } from './PictureView.tsx'
import { viewed } from './state.ts'

export function PictureDialog() {
  const shown = viewed.value
  if (!shown) return null
  return (
    <Dialog title={shown.picture.name} close={() => (viewed.value = null)} class="picture-dialog">
      <Looked picture={shown.picture} change={shown.change} />
    </Dialog>
  )
}

const MODES: { value: Detail; label: string; hint: string }[] = [
  { value: 'auto', label: 'Auto', hint: 'As the server is set.' },
  { value: 'high', label: 'On', hint: 'Long pictures are also shown in crops: small things become legible, for more tokens.' },
  { value: 'low', label: 'Off', hint: 'The whole picture, once.' },
]

function Looked({ picture, change }: { picture: Picture; change?: (picture: Picture) => void }) {
  const { url, crops } = usePicture(picture)
  const choose = (detail: Detail) => {
    const changed = { ...picture, detail }
    change?.(changed)
    viewed.value = change ? { picture: changed, change } : { picture: changed }
  }
  const mode = MODES.find((m) => m.value === picture.detail)!
  const parts = crops?.views.slice(1) ?? []
  return (
    <div class="stack">
      <div class="picture-large">
        {url && <img src={url} alt={picture.name} />}
        <CropLines picture={picture} crops={crops} />
      </div>
      <div class="picture-facts">
        <span>
          {count(picture.width)} × {count(picture.height)}
        </span>
        {crops && (
          <span>
            {crops.views.length === 1 ? '1 view' : `${crops.views.length} views: the whole and ${parts.length} crops`}, {count(tokensOf(crops))} tokens
          </span>
        )}
      </div>
      {url && parts.length > 0 && (
        <ul class="crops" aria-label="Crops">
          {parts.map((view, i) => (
            <li key={`${view.x}/${view.y}/${view.width}`}>
              <Crop url={url} view={view} name={`Crop ${i + 1}`} />
            </li>
          ))}
        </ul>
      )}
      {change && (
        <fieldset class="pan-scan">
          <legend>Pan &amp; Scan</legend>
          <div class="segments">
            {MODES.map(({ value, label }) => (
              <label key={value}>
                <input type="radio" name="pan-scan" checked={picture.detail === value} onChange={() => choose(value)} />
                <span>{label}</span>
              </label>
            ))}
          </div>
          <p class="hint">{mode.hint}</p>
        </fieldset>
      )}
      {!canSee.value && <p class="hint">The chosen model has no eyes: it will refuse a message with a picture.</p>}
    </div>
  )
}

function Crop({ url, view, name }: { url: string; view: View; name: string }) {
  const canvas = useRef<HTMLCanvasElement>(null)
  useEffect(() => {
    const image = new Image()
    image.onload = () => {
      const c = canvas.current
      if (!c) return
      const scale = 224 / Math.max(view.width, view.height)
      c.width = Math.max(1, Math.round(view.width * scale))
      c.height = Math.max(1, Math.round(view.height * scale))
      c.getContext('2d')?.drawImage(image, view.x, view.y, view.width, view.height, 0, 0, c.width, c.height)
    }
    image.src = url
  }, [url, view.x, view.y, view.width, view.height])
  return <canvas ref={canvas} role="img" aria-label={name} />
}
