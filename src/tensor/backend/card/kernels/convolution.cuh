// Convolutions, their adjoints, and the gradients of their weights in single precision: products of matrices whose factors are read where
// they lie. A block computes a tile of the result; the matrices come to it in slices.
//
// The larger side is (images, height, width, channels), the smaller side (images, small height, small width, small channels), the weight
// (kernel, kernel, channels, small channels).
#pragma once
#include "layers.cuh"

// Columns of the left matrix in a slice.
#define DEPTH 8

// Four floats; those beyond `count` are 0. Reads them at once where they are aligned.
DEVICE Quad four(const float* from, u32 count, bool is_aligned) {
    Quad quad = {};
    if (is_aligned && count >= 4) {
        return *(const Quad*)from;
    }
    UNROLL
    for (u32 place = 0; place < 4; ++place) {
        quad.value[place] = place < count ? from[place] : 0.0f;
    }
    return quad;
}

// The numbers under windows of the larger side: a row for each window, a column for each place of the kernel and channel.
struct UnderWindows {
    const float* large;
    Sizes s;

    METHOD u32 rows() const {
        return s.images * s.small_height * s.small_width;
    }
    METHOD u32 columns() const {
        return s.kernel * s.kernel * s.channels;
    }
    METHOD float one(int y, int x, u32 image, u32 tap, u32 channel) const {
        y += tap / s.kernel;
        x += tap % s.kernel;
        bool is_inside = y >= 0 && y < (int)s.height && x >= 0 && x < (int)s.width;
        return is_inside ? large[((image * s.height + y) * s.width + x) * s.channels + channel] : 0.0f;
    }
    // Four columns of a row.
    METHOD Quad at(u32 row, u32 column) const {
        Quad quad = {};
        if (row >= rows() || column >= columns()) {
            return quad;
        }
        u32 rest = row / s.small_width, image = rest / s.small_height;
        int x = (int)(row % s.small_width * s.stride) - (int)s.left, y = (int)(rest % s.small_height * s.stride) - (int)s.above;
        u32 tap = column / s.channels, channel = column % s.channels;
        if (s.channels % 4 == 0) {
            y += tap / s.kernel;
            x += tap % s.kernel;
            bool is_inside = y >= 0 && y < (int)s.height && x >= 0 && x < (int)s.width;
            return is_inside ? *(const Quad*)(large + ((image * s.height + y) * s.width + x) * s.channels + channel) : quad;
        }
        UNROLL
        for (u32 place = 0; place < 4; ++place) {
            quad.value[place] = column + place < columns() ? one(y, x, image, tap, channel) : 0.0f;
            channel += 1;
            tap += channel / s.channels;
            channel %= s.channels;
        }
        return quad;
    }
};

// The pixels of the larger side whose windows begin in the same way, and the windows above them.
struct Phase {
    Sizes s;
    u32 small_channels;
    // The first place of the kernel above the pixels, and the number of those, downwards and across.
    u32 first[2], count[2];
    // The first pixel, and the number of pixels.
    u32 pixel[2], pixels[2];

    METHOD Phase(const Sizes& sizes, u32 channels, u32 number) : s(sizes), small_channels(channels) {
        u32 begin[2] = {s.above, s.left}, sides[2] = {s.height, s.width};
        for (u32 side = 0; side < 2; ++side) {
            first[side] = side == 0 ? number / s.stride : number % s.stride;
            count[side] = first[side] < s.kernel ? (s.kernel - first[side] + s.stride - 1) / s.stride : 0;
            // Pixels with (pixel + begin) % stride == first.
            pixel[side] = (first[side] + s.stride - begin[side] % s.stride) % s.stride;
            pixels[side] = pixel[side] < sides[side] ? (sides[side] - pixel[side] + s.stride - 1) / s.stride : 0;
        }
    }
    METHOD u32 rows() const {
        return s.images * pixels[0] * pixels[1];
    }
    METHOD u32 columns() const {
        return count[0] * count[1] * small_channels;
    }
    METHOD void place(u32 row, u32* image, u32* y, u32* x) const {
        *x = pixel[1] + row % pixels[1] * s.stride;
        row /= pixels[1];
        *y = pixel[0] + row % pixels[0] * s.stride;
        *image = row / pixels[0];
    }
};

// The smaller side by the windows above each pixel: a row for each pixel of a phase, a column for each place of the kernel and small channel.
struct AbovePixels {
    const float* small;
    Phase phase;

    METHOD float one(u32 image, u32 below, u32 right, u32 tap, u32 channel) const {
        const Sizes& s = phase.s;
        // Those that begin before the first window wrap around, and are too large.
        u32 row = below - tap / phase.count[1], column = right - tap % phase.count[1];
        bool is_inside = row < s.small_height && column < s.small_width;
        return is_inside ? small[((image * s.small_height + row) * s.small_width + column) * phase.small_channels + channel] : 0.0f;
    }
    METHOD Quad at(u32 line, u32 column) const {
        Quad quad = {};
        if (line >= phase.rows() || column >= phase.columns()) {
            return quad;
        }
        const Sizes& s = phase.s;
        u32 image, y, x;
        phase.place(line, &image, &y, &x);
        u32 below = (y + s.above) / s.stride, right = (x + s.left) / s.stride;
        u32 tap = column / phase.small_channels, channel = column % phase.small_channels;
        if (phase.small_channels % 4 == 0) {
            u32 row = below - tap / phase.count[1], at = right - tap % phase.count[1];
            bool is_inside = row < s.small_height && at < s.small_width;
            const float* from = small + ((image * s.small_height + row) * s.small_width + at) * phase.small_channels + channel;
            return is_inside ? *(const Quad*)from : quad;
        }
        UNROLL
        for (u32 place = 0; place < 4; ++place) {
            quad.value[place] = column + place < phase.columns() ? one(image, below, right, tap, channel) : 0.0f;
            channel += 1;
            tap += channel / phase.small_channels;
            channel %= phase.small_channels;
        }
        return quad;
    }
};

// The weight for the windows above pixels: a row for each channel of the larger side, columns as `AbovePixels`.
struct WeightAbove {
    const float* weight;
    Phase phase;

    METHOD Quad at(u32 channel, u32 column) const {
        Quad quad = {};
        const Sizes& s = phase.s;
        if (channel >= s.channels) {
            return quad;
        }
        UNROLL
        for (u32 place = 0; place < 4; ++place) {
            u32 at = column + place;
            if (at < phase.columns()) {
                u32 tap = at / phase.small_channels;
                u32 down = phase.first[0] + tap / phase.count[1] * s.stride, across = phase.first[1] + tap % phase.count[1] * s.stride;
                u32 place_of_weight = (down * s.kernel + across) * s.channels + channel;
                quad.value[place] = weight[place_of_weight * phase.small_channels + at % phase.small_channels];
            }
        }
        return quad;
    }
};

// A matrix (rows, columns) as it lies: four columns of a row.
struct Plain {
    const float* values;
    u32 rows, columns;

    METHOD Quad at(u32 row, u32 column) const {
        Quad quad = {};
        bool is_inside = row < rows && column < columns;
        return is_inside ? four(values + (u64)row * columns + column, columns - column, columns % 4 == 0) : quad;
    }
};

// A slice of a matrix in shared memory: DEPTH lines of LENGTH floats. With `ALONG_DEPTH`, the four floats that are read at once are of four
// lines, otherwise of one.
template <u32 LENGTH, bool ALONG_DEPTH>
struct Slice {
    static const u32 PIECES = LENGTH * DEPTH / 4;
    static const u32 OF_A_THREAD = (PIECES + BLOCK - 1) / BLOCK;

    template <typename M>
    static METHOD void read(const M& matrix, u32 first, u32 depth, u32 end, Quad* into) {
        UNROLL
        for (u32 turn = 0; turn < OF_A_THREAD; ++turn) {
            u32 piece = turn * BLOCK + THREAD;
            Quad quad = {};
            if (piece < PIECES) {
                if (ALONG_DEPTH) {
                    u32 at = depth + piece % (DEPTH / 4) * 4;
                    quad = at < end ? matrix.at(first + piece / (DEPTH / 4), at) : quad;
                } else {
                    u32 at = depth + piece / (LENGTH / 4);
                    quad = at < end ? matrix.at(at, first + piece % (LENGTH / 4) * 4) : quad;
                }
            }
            into[turn] = quad;
        }
    }
    static METHOD void keep(const Quad* from, float (*into)[LENGTH + 4]) {
        UNROLL
        for (u32 turn = 0; turn < OF_A_THREAD; ++turn) {
            u32 piece = turn * BLOCK + THREAD;
            if (piece < PIECES) {
                if (ALONG_DEPTH) {
                    UNROLL
                    for (u32 place = 0; place < 4; ++place) {
                        into[piece % (DEPTH / 4) * 4 + place][piece / (DEPTH / 4)] = from[turn].value[place];
                    }
                } else {
                    *(Quad*)&into[piece / (LENGTH / 4)][piece % (LENGTH / 4) * 4] = from[turn];
                }
            }
        }
    }
};

// What is done with a number of the result: a bias, an activation, adding.
struct End {
    float* y;
    const float* bias;
    float* before;
    u32 activation;
    bool adds;

    METHOD void put(u64 place, u32 column, float sum) const {
        float x = bias ? sum + bias[column] : sum;
        if (before) {
            before[place] = x;
        }
        x = activation_of(activation, x);
        y[place] = adds ? y[place] + x : x;
    }
};

// A tile of the product of two matrices: rows from `row` on, columns from `column` on, over the inner places `from` to `to`. A thread
// computes TALL x WIDE numbers, and `put` takes each of them.
template <u32 ROWS, u32 COLUMNS, u32 TALL, u32 WIDE, bool LEFT_ALONG, bool RIGHT_ALONG, typename L, typename R, typename P>
DEVICE void multiply(const L& left, const R& right, u32 row, u32 column, u32 from, u32 to, const P& put) {
    typedef Slice<ROWS, LEFT_ALONG> Lefts;
    typedef Slice<COLUMNS, RIGHT_ALONG> Rights;
    alignas(16) SHARED float a[2][DEPTH][ROWS + 4];
    alignas(16) SHARED float b[2][DEPTH][COLUMNS + 4];
    OWN(float, sums, TALL * WIDE);
    EACH_THREAD {
        Quad lefts[Lefts::OF_A_THREAD], rights[Rights::OF_A_THREAD];
        Lefts::read(left, row, from, to, lefts);
        Rights::read(right, column, from, to, rights);
        Lefts::keep(lefts, a[0]);
        Rights::keep(rights, b[0]);
        UNROLL
        for (u32 place = 0; place < TALL * WIDE; ++place) {
            OF_THREAD(sums)[place] = 0.0f;
        }
    }
    SYNC;
    u32 now = 0;
    for (u32 at = from; at < to; at += DEPTH) {
        EACH_THREAD {
            // The next slice is on its way while this one is multiplied.
            Quad lefts[Lefts::OF_A_THREAD], rights[Rights::OF_A_THREAD];
            Lefts::read(left, row, at + DEPTH, to, lefts);
            Rights::read(right, column, at + DEPTH, to, rights);
            u32 down = THREAD / (COLUMNS / WIDE) * TALL, across = THREAD % (COLUMNS / WIDE) * WIDE;
            UNROLL
            for (u32 k = 0; k < DEPTH; ++k) {
                float own_a[TALL], own_b[WIDE];
                UNROLL
                for (u32 i = 0; i < TALL; ++i) {
                    own_a[i] = a[now][k][down + i];
                }
                UNROLL
                for (u32 j = 0; j < WIDE; ++j) {
                    own_b[j] = b[now][k][across + j];
                }
                UNROLL
                for (u32 i = 0; i < TALL; ++i) {
                    UNROLL
                    for (u32 j = 0; j < WIDE; ++j) {
                        float* sum = &OF_THREAD(sums)[i * WIDE + j];
                        *sum = MULTIPLY_ADD(own_a[i], own_b[j], *sum);
                    }
                }
            }
            Lefts::keep(lefts, a[now ^ 1]);
            Rights::keep(rights, b[now ^ 1]);
        }
        SYNC;
        now ^= 1;
    }
    EACH_THREAD {
        u32 down = THREAD / (COLUMNS / WIDE) * TALL, across = THREAD % (COLUMNS / WIDE) * WIDE;
        UNROLL
        for (u32 i = 0; i < TALL; ++i) {
            UNROLL
            for (u32 j = 0; j < WIDE; ++j) {
                put(row + down + i, column + across + j, OF_THREAD(sums)[i * WIDE + j]);
            }
        }
    }
}

// Puts numbers at (row, column) of a matrix.
struct PutRows {
    End end;
    u32 rows, columns;

    METHOD void operator()(u32 row, u32 column, float sum) const {
        if (row < rows && column < columns) {
            end.put((u64)row * columns + column, column, sum);
        }
    }
};

// Puts numbers at the pixels of a phase.
struct PutPixels {
    End end;
    Phase phase;

    METHOD void operator()(u32 row, u32 column, float sum) const {
        const Sizes& s = phase.s;
        if (row < phase.rows() && column < s.channels) {
            u32 image, y, x;
            phase.place(row, &image, &y, &x);
            end.put((u64)((image * s.height + y) * s.width + x) * s.channels + column, column, sum);
        }
    }
};

// The words after the sizes: the weight, the bias or 0, the values before the activation or 0, and small channels, activation and whether
// to add in one word.
DEVICE End end_of(const Words& words) {
    u32 packed = (u32)(words.word[15] >> 32);
    End end = {ARRAY(1), (const float*)words.word[13], (float*)words.word[14], packed & 0xff, (packed & 0x100) != 0};
    return end;
}

#define CONVOLUTIONS(width, ROWS, TALL, WIDE)                                                                       \
    /* larger side, result (smaller side), sizes, weight, bias or 0, before or 0, packed: the convolution */        \
    KERNEL(convolve_##width) {                                                                                      \
        Sizes s = sizes_of(words);                                                                                  \
        u32 columns = COUNT(15), tiles = (columns + width - 1) / width;                                             \
        UnderWindows left = {(const float*)words.word[0], s};                                                       \
        Plain right = {(const float*)words.word[12], left.columns(), columns};                                      \
        PutRows put = {end_of(words), left.rows(), columns};                                                        \
        u32 row = BLOCK_NUMBER / tiles * ROWS, column = BLOCK_NUMBER % tiles * width;                               \
        multiply<ROWS, width, TALL, WIDE, true, false>(left, right, row, column, 0, left.columns(), put);           \
    }                                                                                                               \
    /* smaller side, result (larger side), sizes, weight, bias or 0, before or 0, packed: the adjoint; as many blocks for each phase */ \
    KERNEL(spread_##width) {                                                                                        \
        Sizes s = sizes_of(words);                                                                                  \
        u32 tiles = (s.channels + width - 1) / width, each = BLOCKS / (s.stride * s.stride);                        \
        Phase phase(s, COUNT(15), BLOCK_NUMBER / each);                                                             \
        AbovePixels left = {(const float*)words.word[0], phase};                                                    \
        WeightAbove right = {(const float*)words.word[12], phase};                                                  \
        PutPixels put = {end_of(words), phase};                                                                     \
        u32 block = BLOCK_NUMBER % each, row = block / tiles * ROWS, column = block % tiles * width;                \
        multiply<ROWS, width, TALL, WIDE, true, true>(left, right, row, column, 0, phase.columns(), put);           \
    }                                                                                                               \
    /* larger side, parts (chunks, weight), sizes, gradient by the smaller side, unused, windows of a chunk, packed: the gradient by the   \
       weight, in parts */                                                                                          \
    KERNEL(gather_##width) {                                                                                        \
        Sizes s = sizes_of(words);                                                                                  \
        u32 columns = COUNT(15), size = COUNT(14), tiles = (columns + width - 1) / width;                           \
        UnderWindows left = {(const float*)words.word[0], s};                                                       \
        Plain right = {(const float*)words.word[12], left.rows(), columns};                                         \
        u32 of_rows = (left.columns() + ROWS - 1) / ROWS, chunk = BLOCK_NUMBER / (tiles * of_rows);                 \
        u32 block = BLOCK_NUMBER % (tiles * of_rows), row = block / tiles * ROWS, column = block % tiles * width;   \
        End end = {ARRAY(1) + (u64)chunk * left.columns() * columns, 0, 0, IDENTITY, false};                        \
        PutRows put = {end, left.columns(), columns};                                                               \
        u32 from = chunk * size, to = from + size < left.rows() ? from + size : left.rows();                        \
        multiply<ROWS, width, TALL, WIDE, false, false>(left, right, row, column, from, to, put);                   \
    }

CONVOLUTIONS(64, 128, 8, 4)
CONVOLUTIONS(32, 128, 4, 4)
CONVOLUTIONS(4, 256, 1, 4)
