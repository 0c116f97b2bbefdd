// Many launches in one: work-groups that stay run the work-items of one launch after another, the stages.
//
// A work-group takes items from its own part of a stage, so that threads find in their caches what they wrote in the
// stage before, then from the parts of the others, and goes on when every item has ended. It waits only for items that
// running work-groups have taken: whether the device runs all work-groups at once or one after another, the kernel
// ends.
//
// table    for each stage the place of its record in the table; record: function, extents x, y, z of the items, then
//          the arguments as the function reads them (see the generated text).
// state    zeros before the first launch: generation and leavers, a line each; then for each parity of the generation
//          and each stage a line of taken items for every work-group and one of ended items. A launch uses the lines of
//          its generation's parity and clears the others.
// memory   local memory that the functions share.
// Global size: the number of work-groups; local size 1. Generated text defines STAGES (declarations of the functions),
// CALL_STAGE (a switch over `function`), BUFFER_PARAMETERS and BUFFERS. ASM_PAUSE: for x86-64 under Linux, through a
// compiler that takes inline assembly: a waiting thread spares its sibling, and at last gives up its time slice.
#define LINE 16
#define STAGE_PARAMETERS                                                                                               \
    const int3 index, const int3 extent, __global const long *arguments, __global uchar *__private *buffers,           \
        __local uchar *memory
#define STAGE_ARGUMENTS index, extent, record + 4, buffers, memory
STAGES

#ifdef ASM_PAUSE
#define SPINS 4096
#define SYSTEM_CALL_YIELD 24
static void wait_a_moment(int *spins) {
    if (++*spins < SPINS) {
        __asm__ volatile("pause");
        return;
    }
    *spins = 0;
    long number = SYSTEM_CALL_YIELD;
    __asm__ volatile("syscall" : "+a"(number) : : "rcx", "r11", "memory");
}
#else
static void wait_a_moment(int *spins) { (void)spins; }
#endif

static int taken(__global atomic_int *counter) {
    return atomic_fetch_add_explicit(counter, 1, memory_order_relaxed, memory_scope_device);
}

__kernel __attribute__((reqd_work_group_size(1, 1, 1))) void
persistent_stages(__global const long *table, __global atomic_int *state, int stages,
                  __local uchar *memory BUFFER_PARAMETERS) {
    __global uchar *buffers[] = {BUFFERS};
    const int group = get_global_id(0), groups = get_global_size(0);
    const int generation = atomic_load_explicit(state, memory_order_relaxed, memory_scope_device);
    const int pitch = (groups + 1) * LINE;
    __global atomic_int *own_lines = state + 2 * LINE + (long)(generation & 1) * stages * pitch;
    __global atomic_int *other_lines = state + 2 * LINE + (long)(~generation & 1) * stages * pitch;

    for (int stage = 0; stage < stages; ++stage) {
        __global const long *record = table + table[stage];
        const int function = record[0];
        const int3 extent = (int3)(record[1], record[2], record[3]);
        const int items = extent.x * extent.y * extent.z;
        __global atomic_int *lines = own_lines + (long)stage * pitch, *ended = lines + groups * LINE;
        __global atomic_int *cleared = other_lines + (long)stage * pitch;
        atomic_store_explicit(cleared + group * LINE, 0, memory_order_relaxed, memory_scope_device);
        if (group == 0)
            atomic_store_explicit(cleared + groups * LINE, 0, memory_order_relaxed, memory_scope_device);

        int done = 0;
        for (int turn = 0; turn < groups; ++turn) {
            const int part = group + turn < groups ? group + turn : group + turn - groups;
            const int first = (long)items * part / groups, end = (long)items * (part + 1) / groups;
            for (int item = first + taken(lines + part * LINE); item < end; item = first + taken(lines + part * LINE)) {
                const int row = item / extent.x;
                const int3 index = (int3)(item - row * extent.x, row % extent.y, row / extent.y);
                CALL_STAGE
                ++done;
            }
        }
        if (done > 0)
            atomic_fetch_add_explicit(ended, done, memory_order_release, memory_scope_device);
        int spins = 0;
        while (atomic_load_explicit(ended, memory_order_acquire, memory_scope_device) < items)
            wait_a_moment(&spins);
    }

    if (atomic_fetch_add_explicit(state + LINE, 1, memory_order_acq_rel, memory_scope_device) == groups - 1) {
        atomic_store_explicit(state + LINE, 0, memory_order_relaxed, memory_scope_device);
        atomic_store_explicit(state, generation + 1, memory_order_relaxed, memory_scope_device);
    }
}
