/* Pictures, as ink in the text's colour on a transparent background, or in colour. */

/** Paint values, row by row, as ink whose opacity is the value relative to `white`. */
export function paintInk(canvas, values, ink, white) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let i = 0; i < values.length; i++) {
    image.data[4 * i] = ink[0];
    image.data[4 * i + 1] = ink[1];
    image.data[4 * i + 2] = ink[2];
    image.data[4 * i + 3] = Math.round((255 / white) * values[i]);
  }
  context.putImageData(image, 0, 0);
}

/** Paint the red, green and blue planes of a picture, row by row; a single plane is grey. */
export function paintColours(canvas, values, white) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  const size = canvas.width * canvas.height;
  const stride = values.length > size ? size : 0;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) image.data[4 * i + c] = Math.round((255 / white) * values[c * stride + i]);
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}
