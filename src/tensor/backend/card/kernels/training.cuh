// Rules of optimizers, and norms of gradients, for many arrays at once.
#pragma once
#include "prelude.cuh"

// An array among those that are trained: its weights, its gradient, and its place among all parameters.
struct Segment {
    u64 weights, gradient, first, count;
};

// The segment of a parameter, by its place among all.
DEVICE const Segment* segment_of(const Segment* segments, u32 count, u64 place) {
    u32 low = 0, high = count;
    while (high - low > 1) {
        u32 middle = (low + high) / 2;
        if (segments[middle].first <= place) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return segments + low;
}

// segments, parts (blocks), segments' count, parameters: a part of the sum of the squares of all gradients for each block
KERNEL(squares) {
    const Segment* segments = (const Segment*)words.word[0];
    SHARED double part[BLOCK];
    EACH_THREAD {
        double sum = 0.0;
        for (u64 place = (u64)BLOCK_NUMBER * BLOCK + THREAD; place < words.word[3]; place += (u64)BLOCKS * BLOCK) {
            const Segment* segment = segment_of(segments, COUNT(2), place);
            double value = ((const float*)segment->gradient)[place - segment->first];
            sum += value * value;
        }
        part[THREAD] = sum;
    }
    SYNC;
    SUM_OF_BLOCK(part)
    EACH_THREAD if (THREAD == 0) {
        ((double*)words.word[1])[BLOCK_NUMBER] = part[0];
    }
}

// parts, norms, place among the norms (pointer), parts' count (up to BLOCK), factor, limit or 0: the norm, and the factor that clips it;
// one block
KERNEL(norm) {
    SHARED double part[BLOCK];
    EACH_THREAD {
        part[THREAD] = THREAD < COUNT(3) ? ((const double*)words.word[0])[THREAD] : 0.0;
    }
    SYNC;
    SUM_OF_BLOCK(part)
    EACH_THREAD if (THREAD == 0) {
        double norm = sqrt(part[0]), limit = NUMBER(5);
        ((double*)words.word[1])[((const u32*)words.word[2])[0]] = norm;
        ARRAY(4)[0] = limit > 0.0 && norm > limit ? (float)(limit / norm) : 1.0f;
    }
}

// segments, factors (segments): the factor that makes each gradient have the norm 1; a block for each
KERNEL(norm_of_each) {
    const Segment* segment = (const Segment*)words.word[0] + BLOCK_NUMBER;
    SHARED double part[BLOCK];
    EACH_THREAD {
        double sum = 0.0;
        for (u64 place = THREAD; place < segment->count; place += BLOCK) {
            double value = ((const float*)segment->gradient)[place];
            sum += value * value;
        }
        part[THREAD] = sum;
    }
    SYNC;
    SUM_OF_BLOCK(part)
    EACH_THREAD if (THREAD == 0) {
        ARRAY(1)[BLOCK_NUMBER] = part[0] > 0.0 ? (float)(1.0 / sqrt(part[0])) : 1.0f;
    }
}

// What a rule does with each parameter: operations on registers, of which the first three are the gradient and the arrays of the rule.
struct Operation {
    u32 kind, a, b;
    float number;
};

enum OperationKind { ADD, MULTIPLY, DIVIDE, ROOT, SCALE, ADD_NUMBER };

struct Rule {
    float factor;
    u32 direction, first, second, count, unused;
};

#define REGISTERS 24

// segments, operations, rule, first array or 0, second array or 0, factors, segments' count, parameters, whether each segment has a
// factor: weights become `factor` times themselves minus `direction`
KERNEL(update) {
    const Segment* segments = (const Segment*)words.word[0];
    const Operation* operations = (const Operation*)words.word[1];
    const Rule rule = *(const Rule*)words.word[2];
    EACH(place, words.word[7]) {
        const Segment* segment = segment_of(segments, COUNT(6), place);
        u64 own = place - segment->first;
        float factor = ARRAY(5)[COUNT(8) ? (u32)(segment - segments) : 0];
        float registers[REGISTERS];
        registers[0] = ((const float*)segment->gradient)[own] * factor;
        registers[1] = words.word[3] ? ARRAY(3)[place] : 0.0f;
        registers[2] = words.word[4] ? ARRAY(4)[place] : 0.0f;
        for (u32 next = 0; next < rule.count; ++next) {
            const Operation operation = operations[next];
            float a = registers[operation.a], b = registers[operation.b], result;
            switch (operation.kind) {
                case ADD: result = a + b; break;
                case MULTIPLY: result = a * b; break;
                case DIVIDE: result = a / b; break;
                case ROOT: result = sqrtf(a); break;
                case SCALE: result = a * operation.number; break;
                default: result = a + operation.number; break;
            }
            registers[3 + next] = result;
        }
        float* weight = (float*)segment->weights + own;
        *weight = *weight * rule.factor - registers[rule.direction];
        if (words.word[3]) {
            ARRAY(3)[place] = registers[rule.first];
        }
        if (words.word[4]) {
            ARRAY(4)[place] = registers[rule.second];
        }
    }
}
