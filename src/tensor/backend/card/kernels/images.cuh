// The values of images, by `data/binarize.rs`.
#pragma once
#include "random.cuh"

// How values are mapped.
enum Mapping { LINEAR, THRESHOLD, DRAWN, SPREAD };

// store, indices, out, numbers (7 doubles: low, high, black, white, low and scale of `SPREAD`, half), images, height, width, channels,
// whether the store has floats, mapping, epoch of draws and of flips (pointer to 2 words), seed and purpose of draws, seed and purpose of flips (0: none): a
// thread for each 32 values, whose draws are a block of the stream
KERNEL(images) {
    const u32* indices = (const u32*)words.word[1];
    const double* numbers = (const double*)words.word[3];
    double low = numbers[0], high = numbers[1], black = numbers[2], white = numbers[3];
    u32 width = COUNT(6), channels = COUNT(7), values = COUNT(5) * width * channels, pieces = (values + 31) / 32;
    u32 mapping = COUNT(9);
    const u64* epochs = (const u64*)words.word[10];
    EACH(thread, COUNT(4) * pieces) {
        u32 image = thread / pieces;
        u64 index = indices[image];
        u32 piece = thread % pieces, random[16];
        bool is_flipped = false;
        if (words.word[14]) {
            stream_block(words.word[13], words.word[14], epochs[1], index, 0, random);
            is_flipped = random[0] & 1;
        }
        if (mapping == DRAWN || mapping == SPREAD) {
            stream_block(words.word[11], words.word[12], epochs[0], index, piece, random);
        }
        for (u32 value = piece * 32; value < values && value < piece * 32 + 32; ++value) {
            u64 at = index * values + value;
            double stored = COUNT(8) ? (double)((const float*)words.word[0])[at] : (double)((const u8*)words.word[0])[at];
            u32 draw = random[value % 32 / 2] >> (16 * (value % 2)) & 0xffff;
            double result;
            if (mapping == LINEAR) {
                result = (low * (white - stored) + high * (stored - black)) / (white - black);
            } else if (mapping == THRESHOLD) {
                result = stored >= (black + white) / 2.0 ? high : low;
            } else if (mapping == DRAWN) {
                result = draw < (u32)round(65536.0 * (stored - black) / (white - black)) ? high : low;
            } else {
                double noise = ((double)draw + 0.5) / 65536.0;
                result = low + (high - low) / (white - black + 1.0) * (stored - black + noise);
            }
            u32 place = value;
            if (is_flipped) {
                u32 row = value / (width * channels), column = value / channels % width;
                place = (row * width + (width - 1 - column)) * channels + value % channels;
            }
            ARRAY(2)[(u64)image * values + place] = (float)result;
        }
    }
}
