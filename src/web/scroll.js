// Where the page is scrolled to: the newest line stays in sight, unless the reader has scrolled away. Knows nothing of what is shown.

const page = document.documentElement;
let atBottom = true;
let lastScroll = 0;

export function follow() {
  if (atBottom) page.scrollTop = page.scrollHeight;
}

export function toBottom() {
  atBottom = true;
  follow();
}

addEventListener(
  'scroll',
  () => {
    const left = page.scrollHeight - page.clientHeight - page.scrollTop;
    // Only moving up means reading back; a page that grew under an unmoved reader does not.
    if (left < 24) atBottom = true;
    else if (page.scrollTop < lastScroll) atBottom = false;
    lastScroll = page.scrollTop;
  },
  { passive: true },
);
