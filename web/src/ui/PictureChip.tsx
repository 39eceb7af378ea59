// A picture of a message, small: opens large, may be taken away.
import type { Picture } from '../data/types.ts'
import { tokensOf } from '../pictures/crops.ts'
import { count } from './format.ts'
import { Icon } from './icons.tsx'
import { CropLines, usePicture } from './PictureView.tsx'

export function PictureChip({ picture, open, remove }: { picture: Picture; open: () => void; remove?: () => void }) {
  const { url, crops } = usePicture(picture)
  const parts = crops ? crops.views.length - 1 : 0
  const views = crops && (parts ? `${parts} crops · ${count(tokensOf(crops))} tokens` : `${count(tokensOf(crops))} tokens`)
  return (
    <li class="chip">
      <button type="button" class="chip-open" onClick={open} aria-label={`Look at ${picture.name}${views ? `, ${views}` : ''}`}>
        <span class="chip-picture">
          {url ? <img src={url} alt="" /> : <span class="chip-gone">{url === null ? 'gone' : ''}</span>}
          <CropLines picture={picture} crops={crops} />
        </span>
        {views && <small>{views}</small>}
      </button>
      {remove && (
        <button type="button" class="chip-remove" aria-label={`Remove ${picture.name}`} onClick={remove}>
          <Icon name="close" size={12} />
        </button>
      )}
    </li>
  )
}
