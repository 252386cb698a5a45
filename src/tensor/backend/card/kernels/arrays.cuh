// Operations on arrays, element by element or row by row.
#pragma once
#include "elementary.cuh"

// y, count, value
KERNEL(fill) {
    EACH(place, COUNT(1)) {
        ARRAY(0)[place] = NUMBER(2);
    }
}

// x, y, count: y += x
KERNEL(add) {
    EACH(place, COUNT(2)) {
        ARRAY(1)[place] += ARRAY(0)[place];
    }
}

// y, count, weight (pointer), whether to add
KERNEL(fill_or_add) {
    float weight = ARRAY(2)[0];
    EACH(place, COUNT(1)) {
        ARRAY(0)[place] = COUNT(3) ? ARRAY(0)[place] + weight : weight;
    }
}

// values, weights or 0, weight (pointer), total, count: adds the sum of the weighted values to the total; one block
KERNEL(add_total) {
    SHARED double part[BLOCK];
    EACH_THREAD {
        double sum = 0.0;
        for (u32 place = THREAD; place < COUNT(4); place += BLOCK) {
            sum += (double)ARRAY(0)[place] * (words.word[1] ? ARRAY(1)[place] : 1.0f);
        }
        part[THREAD] = sum;
    }
    SYNC;
    SUM_OF_BLOCK(part)
    EACH_THREAD if (THREAD == 0) {
        ARRAY(3)[0] += (float)(part[0] * ARRAY(2)[0]);
    }
}

// x, ring, place in the ring (pointer), count, floats of a place
KERNEL(keep) {
    float* at = ARRAY(1) + (u64)((const u32*)words.word[2])[0] * COUNT(4);
    EACH(place, COUNT(3)) {
        at[place] = ARRAY(0)[place];
    }
}

// rows, factors, scaled, count, length of a row
KERNEL(scale_rows) {
    EACH(place, COUNT(3)) {
        ARRAY(2)[place] = ARRAY(0)[place] * ARRAY(1)[place / COUNT(4)];
    }
}

// x, y, count, length of a row, times: each row of x several times
KERNEL(repeat_rows) {
    EACH(place, COUNT(2)) {
        u32 row = place / COUNT(3);
        ARRAY(1)[place] = ARRAY(0)[row / COUNT(4) * COUNT(3) + place % COUNT(3)];
    }
}

// dy, dx, count, length of a row, times: dx += the sum of the copies
KERNEL(repeat_rows_backward) {
    EACH(place, COUNT(2)) {
        u32 first = place / COUNT(3) * COUNT(4) * COUNT(3) + place % COUNT(3);
        float sum = 0.0f;
        for (u32 copy = 0; copy < COUNT(4); ++copy) {
            sum += ARRAY(0)[first + copy * COUNT(3)];
        }
        ARRAY(1)[place] += sum;
    }
}

// x (rows, columns), sums (chunks, columns), rows, columns, rows of a chunk, columns of a tile (a power of 2), whether to add: the sum of
// each column over the rows of a chunk. A block has the columns of a tile, and several rows of them at a time.
KERNEL(sum_columns) {
    u32 rows = COUNT(2), columns = COUNT(3), size = COUNT(4), width = COUNT(5);
    u32 tiles = (columns + width - 1) / width;
    u32 chunk = BLOCK_NUMBER / tiles, first = BLOCK_NUMBER % tiles * width;
    SHARED double part[BLOCK];
    EACH_THREAD {
        u32 column = first + THREAD % width, last = chunk * size + size < rows ? chunk * size + size : rows;
        double sum = 0.0;
        for (u32 row = chunk * size + THREAD / width; column < columns && row < last; row += BLOCK / width) {
            sum += ARRAY(0)[(u64)row * columns + column];
        }
        part[THREAD] = sum;
    }
    SYNC;
    for (u32 half = BLOCK / 2; half >= width; half /= 2) {
        EACH_THREAD if (THREAD < half) {
            part[THREAD] += part[THREAD + half];
        }
        SYNC;
    }
    EACH_THREAD {
        u32 column = first + THREAD;
        if (THREAD < width && column < columns) {
            float* sum = ARRAY(1) + (u64)chunk * columns + column;
            *sum = COUNT(6) ? *sum + (float)part[THREAD] : (float)part[THREAD];
        }
    }
}
