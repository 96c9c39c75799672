/**
 * The anchor of a heading, as the code host makes it: the same link works there and on the site. Two headings of the same
 * text in one page get numbers.
 */
function slug(text) {
  return text
    .trim()
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\p{M}_ -]/gu, '')
    .replace(/ /g, '-');
}

module.exports = { slug };
