"""A contact sheet: small prints in rows of four, their names below them."""

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from support.imaging import save_jpeg

Field = tuple[str, Path | None]  # a name, and a print; None leaves the field empty
COLUMNS = 4
WIDTH, HEIGHT, MARGIN = 300, 225, 20  # of a print, in pixels
ROW = HEIGHT + 65  # with the name below the print
PAPER, INK = "#fdfbf6", "#3a342c"


def draw(fields: list[Field], target: Path) -> None:
    """Draw a contact sheet into a file, all of it or nothing."""
    rows = (len(fields) + COLUMNS - 1) // COLUMNS
    columns = min(COLUMNS, len(fields))
    size = columns * (WIDTH + MARGIN) + MARGIN, rows * ROW + MARGIN
    sheet = Image.new("RGB", size, PAPER)
    for number, field in enumerate(fields):
        row, column = divmod(number, COLUMNS)
        corner = MARGIN + column * (WIDTH + MARGIN), MARGIN + row * ROW
        draw_field(sheet, corner, field)
    target.parent.mkdir(parents=True, exist_ok=True)
    save_jpeg(sheet, target)


def draw_field(sheet: Image.Image, corner: tuple[int, int], field: Field) -> None:
    """Draw one print and its name; without a print, the field is an empty frame."""
    name, path = field
    left, top = corner
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((left, top, left + WIDTH - 1, top + HEIGHT - 1), outline=INK)
    if path is not None:
        with Image.open(path) as image:
            fitted = ImageOps.pad(image, (WIDTH, HEIGHT), color=PAPER)
            sheet.paste(fitted, corner)
    font = ImageFont.load_default(18)
    pen.text((left, top + HEIGHT + 7), name[:30], fill=INK, font=font)
