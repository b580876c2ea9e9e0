// watch.hpp: the blocking-call detector: says which fiber keeps the thread for too long, and where.
#pragma once

#include <chrono>

#include "runtime/scheduler.hpp"

namespace coir {

// Watches the fibers of `scheduler`, which runs on this thread, from another thread for as long as
// the process lives. A fiber that runs for `limit` without a break is reported on standard error,
// once: first its number and the system call that it is in, if it is in one, then, as soon as Lua
// runs in it again, how long it took and its Lua traceback. Errors: EAGAIN (no thread), EBUSY
// (already watching), ENOTSUP (not Linux).
//
// What a coroutine does is shown as the call that resumes it. A fiber with a debug hook of its own
// is reported without traceback.
//
// The thread is told by a signal. A system call that no signal handler lets continue (nanosleep,
// for example) fails with EINTR then.
Error watch_fibers(Scheduler& scheduler, std::chrono::milliseconds limit);

}  // namespace coir
