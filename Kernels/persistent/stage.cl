// Turns the kernel of the text that follows into a function, one stage of persistent/stages.cl.
//
// Generated text defines the kernel's name as a macro that puts item_index and item_extent before its parameters, and
// ends with the function stage_N that calls it. A work-group of the kernel is one work-item.
#define __kernel static
#define reqd_work_group_size(x, y, z)
#define get_global_id(d) ((d) == 0 ? item_index.x : (d) == 1 ? item_index.y : item_index.z)
#define get_global_size(d) ((d) == 0 ? item_extent.x : (d) == 1 ? item_extent.y : item_extent.z)
#define get_group_id(d) get_global_id(d)
#define get_num_groups(d) get_global_size(d)
#define get_local_id(d) 0
#define get_local_size(d) 1

// What the other kernels of a file see, which no one calls.
static __constant int3 item_index = (int3)(0), item_extent = (int3)(0);
