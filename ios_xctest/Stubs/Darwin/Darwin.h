// What MemoryFootprint uses of <mach/mach.h>: as C, because Swift is stricter with C's variables than with its own.
typedef int kern_return_t;
typedef unsigned int mach_port_t;
typedef mach_port_t task_name_t;
typedef unsigned int natural_t;
typedef int integer_t;
typedef natural_t task_flavor_t;
typedef integer_t *task_info_t;
typedef natural_t mach_msg_type_number_t;

#define KERN_SUCCESS 0
#define TASK_VM_INFO 22

struct task_vm_info {
    unsigned long long virtual_size;
    integer_t region_count;
    integer_t page_size;
    unsigned long long resident_size;
    unsigned long long phys_footprint;
};
typedef struct task_vm_info task_vm_info_data_t;

extern mach_port_t mach_task_self_;

kern_return_t task_info(
    task_name_t target_task,
    task_flavor_t flavor,
    task_info_t task_info_out,
    mach_msg_type_number_t *task_info_outCnt);
