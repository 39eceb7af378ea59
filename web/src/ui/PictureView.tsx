// A picture, small, with the outlines of the crops that the model gets of it.
import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { Crops } from '../api/types.ts'
import type { Picture } from '../data/types.ts'
import { model } from '../data/server.ts'
import { cropsOf } from '../pictures/crops.ts'
import { urlOf } from '../pictures/pictures.ts'

export function usePicture(picture: Picture): { url: string | null | undefined; crops: Crops | null } {
  const url = useSignal<string | null | undefined>(undefined)
  const crops = useSignal<Crops | null>(null)
  const of = model.value?.id
  useEffect(() => {
    let isHere = true
    void urlOf(picture).then((u) => isHere && (url.value = u))
    return () => void (isHere = false)
  }, [picture.id])
  useEffect(() => {
    let isHere = true
    void cropsOf(picture, of).then((c) => isHere && (crops.value = c))
    return () => void (isHere = false)
  }, [picture.id, picture.detail, of])
  return { url: url.value, crops: crops.value }
}

/** Outlines of all views but the whole picture. */
export function CropLines({ picture, crops }: { picture: Picture; crops: Crops | null }) {
  const parts = crops?.views.slice(1) ?? []
  if (!parts.length) return null
  const stroke = Math.max(picture.width, picture.height) / 160
  return (
    <svg class="crop-lines" viewBox={`0 0 ${picture.width} ${picture.height}`} preserveAspectRatio="none" aria-hidden="true">
      {parts.map((v, i) => (
        <rect key={i} x={v.x + stroke} y={v.y + stroke} width={Math.max(0, v.width - 2 * stroke)} height={Math.max(0, v.height - 2 * stroke)} stroke-width={stroke} />
      ))}
    </svg>
  )
}
