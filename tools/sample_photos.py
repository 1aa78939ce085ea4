"""Make the six undeveloped sample photos of the photo lab, the same ones on every run."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image, ImageColor, ImageDraw

Array = NDArray[np.float64]

WIDTH, HEIGHT = 1600, 1200
FOCAL = 2200
ORIENTATION_TAG, TURN_CLOCKWISE = 0x0112, 6


def ramp(value: Array, *stops: tuple[float, str]) -> Array:
    """Colour every value by interpolating between the stops."""
    colours = np.array([ImageColor.getrgb(code) for _, code in stops]) / 255
    places = [place for place, _ in stops]
    return np.stack([np.interp(value, places, channel) for channel in colours.T], axis=-1)


def colour(code: str) -> Array:
    """Return one colour as floats."""
    return ramp(np.zeros(()), (0, code))


def step(low: float, high: float, value: Array) -> Array:
    """Rise smoothly from 0 at low to 1 at high."""
    part = np.clip((value - low) / (high - low), 0, 1)
    return np.asarray(part * part * (3 - 2 * part))


def mix(base: Array, other: Array, share: Array) -> Array:
    """Blend another picture or colour into the base, by a share per pixel."""
    return np.asarray(base + (other - base) * share[..., None])


def pixels(width: int = WIDTH, height: int = HEIGHT) -> tuple[Array, Array]:
    """Return the x and the y of every pixel."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    return x.astype(float), y.astype(float)


def noise(
    rng: Generator,
    shape: tuple[int, int],
    cell: tuple[float, float],
    octaves: int,
    crests: bool = False,
) -> Array:
    """Return fractal noise of about -1 to 1, or crests; its largest features fill a cell."""
    total = np.zeros(shape)
    for octave in range(octaves):
        rows, columns = (
            2**octave * length / size for length, size in zip(shape, cell, strict=True)
        )
        grid = rng.normal(0, 0.5, (math.ceil(rows) + 4, math.ceil(columns) + 4)).astype(np.float32)
        box = (1.5, 1.5, 1.5 + columns, 1.5 + rows)
        layer = np.asarray(
            Image.fromarray(grid).resize(shape[::-1], Image.Resampling.BICUBIC, box), dtype=float
        )
        total += (0.5 - 1.5 * np.abs(layer)) / 2.3**octave if crests else layer / 2**octave
    return total


def line(rng: Generator, cell: float, octaves: int, length: int = WIDTH) -> Array:
    """Return a line of noise, for an outline."""
    return noise(rng, (1, length), (1, cell), octaves).ravel()


def sample(grid: Array, row: Array, column: Array) -> Array:
    """Read a grid between its points."""
    row, column = np.clip(row, 0, grid.shape[0] - 1.001), np.clip(column, 0, grid.shape[1] - 1.001)
    top, left = row.astype(int), column.astype(int)
    extra = (1,) * (grid.ndim - 2)
    down, right = (row - top).reshape(row.shape + extra), (column - left).reshape(row.shape + extra)
    upper = grid[top, left] * (1 - right) + grid[top, left + 1] * right
    lower = grid[top + 1, left] * (1 - right) + grid[top + 1, left + 1] * right
    return np.asarray(upper * (1 - down) + lower * down)


def brush(image: Array, start: Array, end: Array, fat: Array | float, colours: Array) -> Array:
    """Paint spindles (leaves, blades, twigs) over a picture, each from a start to an end point."""
    height, width, _ = image.shape
    sheet = Image.new("RGBA", (2 * width, 2 * height))
    draw = ImageDraw.Draw(sheet)
    middle, side = start + end, fat * (end - start)[:, ::-1] * (1, -1)
    corners = np.stack([2 * start, middle + side, 2 * end, middle - side], axis=1).reshape(-1, 8)
    for points, (red, green, blue) in zip(
        corners, (255 * np.clip(colours, 0, 1)).astype(int), strict=True
    ):
        draw.polygon(points.tolist(), fill=(red, green, blue))
    small = np.asarray(sheet.reduce(2), dtype=float) / 255
    return mix(image, small[..., :3], small[..., 3])


def pines(
    rng: Generator, image: Array, grove: Array, foot: Array, low: float, high: float, code: str
) -> Array:
    """Plant conifers along a line of feet, from low to high where the grove rises from 0 to 1."""
    x = rng.uniform(0, WIDTH, (330, 1, 1))
    tall = rng.uniform(0.4, 1, x.shape) * (
        low + (high - low) * np.interp(x, np.arange(WIDTH), grove)
    )
    tier, side = np.linspace(0, 1, 24)[:, None], np.array([-1, 1])
    reach = tall * 0.2 * tier**0.85 * rng.uniform(0.5, 1.1, (330, 24, 2))
    top = np.interp(x, np.arange(WIDTH), foot) + tall * (0.96 * tier - 1) + 0 * reach
    start = np.stack([x + 0 * reach, top - 0.06 * tall], axis=-1).reshape(-1, 2)
    end = np.stack([x + side * reach, top + 0.04 * tall], axis=-1).reshape(-1, 2)
    return brush(image, start, end, 0.3, np.full((len(start), 3), colour(code)))


def water(rng: Generator, image: Array, shore: int, chop: float) -> Array:
    """Mirror the picture below the shore in ripples that widen towards the viewer."""
    x, y = pixels()
    below = np.maximum(y - shore, 0)
    texture = noise(rng, (1200, 2400), (14, 70), 4)
    swell = chop * sample(
        texture, 330 * np.log1p(below / 25), 1200 + (x - WIDTH / 2) / (0.7 + below / 400)
    )
    source = np.minimum(shore - below - 1 + swell * (2 + below * 0.22), shore - 1)
    return np.where(
        (y > shore)[..., None], 0.93 * sample(image, source, x + 0.03 * swell * below), image
    )


def sunlight(height: Array, tangent: float, depth: float) -> Array:
    """Light a height map from the left, with cast shadows."""
    ray = height + tangent * np.arange(height.shape[1])
    lit = step(8, 0.5, np.maximum.accumulate(ray, axis=1) - ray)
    dz, dx = np.gradient(height)
    return np.asarray(
        (lit * np.clip(tangent + 0.9 * dx + depth * dz, 0, None) + 0.12)
        / np.sqrt(1 + dx**2 + dz**2)
    )


def view(height: Array, near: float, eye: float, horizon: float) -> tuple[Array, Array, Array]:
    """Look across a height map: return row, column and land or not, at double resolution."""
    rows, columns = height.shape
    across = (np.arange(2 * WIDTH) - WIDTH) / (2 * FOCAL)
    far = np.geomspace(near, near + rows - 2, 900).reshape(-1, 1)
    land = sample(height, far - near + 0 * across, columns / 2 + across * far)
    skyline = np.minimum.accumulate(2 * (horizon - FOCAL * (land - eye) / far), axis=0)
    y = np.arange(2 * HEIGHT)
    depth = np.stack(
        [np.interp(y, crest[::-1], far[::-1, 0], left=0) for crest in skyline.T], axis=1
    )
    return depth - near, columns / 2 + across * depth, (depth > 0).astype(float)


def under(sky: Array, ground: Array, land: Array) -> Array:
    """Put a doubled picture of land under the sky, its outline smoothed."""
    full = np.dstack([ground * land[..., None], land])
    half = full.reshape(HEIGHT, 2, WIDTH, 2, 4).mean(axis=(1, 3))
    return np.asarray(sky * (1 - half[..., 3:]) + half[..., :3])


def clouds(rng: Generator, sky: Array, code: str, low: int, cover: float) -> Array:
    """Draw thin clouds over the upper part of a sky, down to the row called low."""
    veil = step(0, 1.3, noise(rng, (HEIGHT, WIDTH), (110, 600), 7)) * step(
        low, low / 3, pixels()[1]
    )
    return mix(sky, colour(code), cover * veil)


def ridges(rng: Generator) -> Array:
    """Paint mountains above the valley mist of a sunrise."""
    size = 2000
    climb = 190 * step(300, 2000, pixels(size, size)[1])
    peaks = 160 * noise(rng, (size, size), (360, 460), 8, crests=True)
    row, column, land = view(peaks + climb, 520, 330, 430)
    light = sample(sunlight(peaks + climb, 0.45, -0.3), row, column)
    rock = ramp(light, (0, "#141d29"), (0.3, "#3a3f40"), (1, "#d09a62"))
    x, y = pixels()
    glow = np.exp(-np.hypot(x - 430, (y - 330) * 1.3) / 420)
    air = ramp(row, (0, "#50637e"), (900, "#8d93a9"), (2000, "#d3b3a6"))
    air = mix(air, colour("#ffca8e"), 0.8 * glow.repeat(2, 0).repeat(2, 1))
    valley = step(60, -130, sample(peaks, row, column)) * step(100, 800, row)
    fog = 1 - np.exp(-np.maximum(row, 0) / 1300 - 1.8 * valley)
    sky = ramp(y, (0, "#6681ab"), (200, "#ada9b6"), (430, "#eab283"))
    sky = mix(clouds(rng, sky, "#f6d3b8", 400, 0.7), colour("#fff1d0"), 0.95 * glow**1.5)
    return under(sky, mix(rock, air, fog), land)


def dunes(rng: Generator) -> Array:
    """Paint sand dunes in low light from the side."""
    size = 1800
    x, z = pixels(size, size)
    bend = noise(rng, (size, size), (700, 700), 3)
    part = ((0.55 * x + 0.8 * z) / 330 + 1.1 * bend) % 1
    slope = np.where(part < 0.68, (part / 0.68) ** 1.6, ((1 - part) / 0.32) ** 1.25)
    height = 46 * slope * (0.75 + 0.5 * noise(rng, (size, size), (500, 500), 2)) + 30 * bend
    row, column, land = view(height, 250, 165, 330)
    warp = sample(150 * bend + 9 * noise(rng, (size, size), (60, 60), 3), row, column)
    patch = step(-0.7, 0.6, sample(noise(rng, (size, size), (160, 160), 3), row, column)) * step(
        700, 0, row
    )
    light = sample(sunlight(height, 0.34, 0.2), row, column)
    light *= 1 + 0.09 * np.sin(0.9 * column - 0.5 * row + warp) * patch
    sand = ramp(light, (0.08, "#72606a"), (0.3, "#9e7159"), (0.55, "#d69e68"), (0.95, "#f8d7a2"))
    sand = mix(sand, colour("#dcc0ae"), 0.75 * step(200, 2000, row))
    sky = ramp(pixels()[1], (0, "#86a2c0"), (330, "#ead6c2"))
    return under(clouds(rng, sky, "#f3e2d2", 300, 0.4), sand, land)


def lake(rng: Generator) -> Array:
    """Paint snowy mountains mirrored in a lake."""
    size, shore = 1900, 655
    x, z = pixels(size, size)
    rise = step(60, 1500, z + 0.25 * np.abs(x - 1050))
    height = np.maximum(
        rise * (270 + 300 * noise(rng, (size, size), (420, 420), 9, crests=True)), 0
    )
    row, column, land = view(height, 900, 8, 636)
    light, lift = sample(sunlight(height, 0.5, -0.35), row, column), sample(height, row, column)
    steep = sample(np.hypot(*np.gradient(height)), row, column)
    fine = sample(noise(rng, (size, size), (60, 60), 6), row, column)
    rock = ramp(light, (0, "#333f55"), (0.5, "#8a7f78"), (1, "#c9b294"))
    snow = ramp(light, (0, "#7f97bd"), (0.5, "#e6e3e4"), (1, "#fff6e6"))
    wood = ramp(light + 0.3 * fine, (0, "#16261f"), (0.5, "#33502f"), (1, "#6c7c3d"))
    ground = mix(rock, snow, step(130, 250, lift + 60 * fine - 90 * (steep - 0.9)))
    ground = mix(ground, wood, step(120, 60, lift + 50 * fine))
    ground = mix(ground, colour("#a9bedb"), 0.55 * (1 - np.exp(-np.maximum(row, 0) / 1800)))
    x, y = pixels()
    sky = clouds(rng, ramp(y, (0, "#3f74b5"), (640, "#c9dcea")), "#ffffff", 560, 0.85)
    grove = step(-0.3, 1.4, line(rng, 300, 4) + step(450, 0, x[0]))
    image = pines(rng, under(sky, ground, land), grove, np.full(WIDTH, shore), 14, 80, "#16281f")
    return mix(
        water(rng, image, shore, 0.22),
        colour("#1f5a66"),
        (y > shore) * (0.15 + 0.5 * step(shore, HEIGHT, y)),
    )


def aurora(rng: Generator) -> Array:
    """Paint northern lights and stars above a lake in the woods."""
    shore = 905
    x, y = pixels()
    image = ramp(y, (0, "#060b1e"), (560, "#10243c"), (900, "#2c4a5c"))
    image += step(0.95, 1.7, noise(rng, (HEIGHT, WIDTH), (3, 3), 1))[..., None] * colour("#dfe8ff")
    for scale, middle in ((0.35, 780), (0.6, 670), (1.0, 500)):
        foot = middle + 220 * scale * (x[0] / WIDTH - 0.5) + 120 * scale * line(rng, 520, 3)
        power = step(-0.7, 1.1, line(rng, 420, 3)) * step(-1.0, 1.1, line(rng, 30 * scale + 16, 4))
        above = (foot - y) / ((130 + 300 * scale) * (1 + 0.3 * line(rng, 90, 4)))
        for code, low, high, fade in (
            ("#5a2f4c", -0.06, 0.03, 22),
            ("#62ff9c", -0.03, 0.1, 2.8),
            ("#583070", 0.1, 1.1, 0.9),
        ):
            rays = power * step(low, high, above) * np.exp(-fade * np.maximum(above, 0))
            image += 1.6 * rays[..., None] * colour(code) * (0.7, 1, 1)
    image = 1 - np.exp(-1.1 * image)
    dusk = np.exp(-(((y - 850) / 62) ** 2) - ((x - 1100) / 620) ** 2)
    image = mix(image, colour("#ffb981"), 0.9 * dusk)
    image = mix(image, colour("#0d2029"), np.clip(y - 850 + 60 * line(rng, 700, 6), 0, 1))
    grove = step(-0.4, 1.6, line(rng, 350, 4) + 1.2 * step(600, 800, np.abs(x[0] - 800)))
    return water(
        rng, pines(rng, image, grove, np.full(WIDTH, shore), 40, 170, "#050b10"), shore, 0.5
    )


def sunset(rng: Generator) -> Array:
    """Paint a sailing boat under the evening clouds over the sea."""
    shore = 730
    x, y = pixels()
    glow = np.exp(-np.hypot(x - 990, (y - 660) * 1.5) / 300)
    sky = ramp(y, (0, "#34497f"), (280, "#7d7aa6"), (520, "#dc9a92"), (730, "#f5b673"))
    sky = mix(sky, colour("#ffe6ac"), 0.8 * glow)
    far = 60000 / (shore + 60 - np.minimum(y, shore))
    texture = noise(rng, (1400, 2400), (170, 260), 7)
    row, column = far + 100, 1200 + (x - 990) * far / 300
    thick = sample(texture, row, column)
    shade = 0.45 + 0.9 * (thick - sample(texture, row + 16, column)) + 0.9 * glow - 0.25 * thick
    tint = ramp(shade, (0, "#4c466e"), (0.4, "#a5688a"), (0.75, "#f08f78"), (1.2, "#ffd896"))
    image = mix(sky, tint, 0.92 * step(-0.35, 0.5, thick) * step(shore, 560, y))
    image = mix(0.88 * image, colour("#fff3d6"), step(46, 32, np.hypot(x - 990, y - 664)))
    hill = shore - (30 + 190 * step(620, 40, x[0])) * step(690, 560, x[0]) * (
        1 + 0.25 * line(rng, 240, 6)
    )
    image = mix(image, colour("#33284a"), np.clip(y - hill, 0, 1))
    image = pines(
        rng, image, step(500, 0, x[0]), hill + 6 + 80 * step(560, 640, x[0]), 14, 80, "#2a213d"
    )
    sails = [((1250, 560), (1254, 712), (1310, 708)), ((1247, 580), (1244, 712), (1206, 714))]
    start = np.array([(1196, 722), *(head for head, _, _ in sails for _ in range(150))])
    end = np.vstack([[(1318, 718)], *(np.linspace(tack, clew, 150) for _, tack, clew in sails)])
    image = brush(
        image,
        start,
        end,
        0.03 + 0.12 * (start[:, :1] == 1196),
        np.full((301, 3), colour("#2a213d")),
    )
    return mix(
        water(rng, image, shore, 1.1), colour("#3a3f6e"), (y > shore) * 0.3 * step(shore, HEIGHT, y)
    )


def birches(rng: Generator) -> Array:
    """Paint a misty birch wood, taken in portrait."""
    wide, tall = HEIGHT, WIDTH
    x, y = pixels(wide, tall)
    pale = colour("#e3e6c4")
    glow = np.exp(-np.hypot(x - 760, (y - 620) * 0.8) / 420)
    image = mix(ramp(y, (0, "#9db48c"), (1000, "#cdd8b2")), colour("#fff8da"), glow)
    for near in np.linspace(0, 1, 7):
        mist = (1 - near) ** 1.2 * 0.86
        level = 1040 + 430 * near**1.5
        turf = noise(rng, (tall, wide), (14 + 30 * near, 40 + 90 * near), 6)
        soil = ramp(turf, (-1.2, "#1f2c17"), (0, "#465f28"), (1.3, "#8d9c45"))
        bank = y - level - 26 * (0.3 + near) * line(rng, 400, 6, wide)
        image = mix(image, soil + (pale - soil) * mist, step(0, 6 + 50 * near, bank))
        for _ in range(int(17 - 13 * near)):
            image = trunk(
                rng, image, (6 + 30 * near**1.5) * rng.uniform(0.7, 1.3), level, pale, mist
            )
        count = int(7000 - 3200 * near)
        boughs = rng.uniform((-50, -150), (wide + 50, 600 - 250 * near), (60, 2))
        leaf = boughs[rng.integers(0, 60, count)] + rng.normal(0, 1, (count, 2)) * (
            60 + 60 * near,
            34 + 34 * near,
        )
        tints = ramp(rng.normal(0.5, 0.25, count), (0, "#3f5a1c"), (0.5, "#86a033"), (1, "#dbe070"))
        turned = leaf + rng.normal(0, 1, (count, 2)) * (4.5 + 6.5 * near)
        image = brush(image, leaf, turned, 0.35, tints + (pale - tints) * mist)
        foot = np.stack(
            [rng.uniform(0, wide, count), level + np.sort(rng.uniform(0, 30 + 150 * near, count))],
            axis=1,
        )
        tints = ramp(rng.normal(0.4, 0.25, count), (0, "#24351f"), (0.5, "#5d7a2c"), (1, "#b5bd5a"))
        tip = foot + rng.normal((0, -1), (0.4, 0.3), (count, 2)) * (9 + 42 * near)
        image = brush(image, foot, tip, 0.05, tints + (pale - tints) * mist)
    angle = np.arctan2(x - 760, y + 250)
    beams = np.interp(angle, np.linspace(-2, 2, 900), step(-0.1, 1, line(rng, 45, 4, 900)))
    return mix(image, colour("#fff6cf"), 0.38 * beams * step(1500, 300, y))


def trunk(
    rng: Generator, image: Array, girth: float, level: float, pale: Array, mist: float
) -> Array:
    """Paint one birch trunk that stands at a level of the ground."""
    tall, wide, _ = image.shape
    x, y = pixels(wide, tall)
    lean = rng.normal(0, 0.03) * (y[:, :1] - tall) + girth * noise(rng, (tall, 1), (700, 1), 2)
    middle = rng.uniform(0, wide) + lean
    part = np.s_[
        :, max(0, int(middle.min() - 1.6 * girth)) : max(1, int(middle.max() + 1.6 * girth))
    ]
    turn = (x[part] - middle) / (
        girth * (0.7 + 0.3 * y[part] / tall + 0.3 * step(-60, 30, y[part] - level))
    )
    marks = noise(rng, turn.shape, (8 + 0.3 * girth, 20 + 1.2 * girth), 4)
    grime = noise(rng, turn.shape, (160, 40), 6)
    side = np.clip((760 - middle) / 200, -1, 1)
    shade = 0.3 + 0.45 * turn * side + 0.1 * marks + 0.2 * grime - 0.3 * step(900, 1500, y[part])
    bark = ramp(shade, (-0.4, "#2b2c1c"), (0.1, "#7b7c5c"), (0.45, "#c7c7a0"), (0.9, "#f5f2cd"))
    bark = mix(bark, colour("#2a2417"), 0.9 * step(0.55, 0.85, marks + 0.3 * grime))
    solid = step(1, 1 - 2.5 / girth, np.abs(turn)) * step(level + 14, level, y[part])
    image[part] = mix(image[part], bark + (pale - bark) * mist, solid)
    return image


SCENES: tuple[Callable[[Generator], Array], ...] = (ridges, dunes, lake, aurora, birches, sunset)


def expose(picture: Array, rng: Generator) -> Array:
    """Dull a scene as a frame straight from the camera: flat, dim, a little vignetted, grainy."""
    height, width, _ = picture.shape
    x, y = pixels(width, height)
    corner = np.hypot(x / width - 0.5, y / height - 0.5)
    grey = picture.mean(axis=2, keepdims=True)
    dull = 0.06 + 0.74 * (0.82 * picture + 0.18 * grey) * (1 - 0.45 * corner**2)[..., None]
    grain = noise(rng, (height, width), (1.7, 1.7), 1)[..., None] + 0.3 * rng.normal(
        0, 0.5, picture.shape
    )
    return np.asarray(np.clip(dull + 0.017 * grain, 0, 1))


def save(picture: Array, path: Path, sideways: bool) -> None:
    """Write a picture as a JPEG; one taken sideways carries the EXIF note that says so."""
    exif = Image.Exif()
    if sideways:
        picture, exif[ORIENTATION_TAG] = np.rot90(picture), TURN_CLOCKWISE
    Image.fromarray(np.uint8(picture * 255 + 0.5)).save(path, quality=85, exif=exif)


def write(folder: Path) -> None:
    """Write the six sample photos into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, scene in enumerate(SCENES):
        rng = np.random.default_rng(number)
        picture = expose(scene(rng), rng)
        save(
            picture, folder / f"{scene.__name__}.jpg", sideways=picture.shape[0] > picture.shape[1]
        )
