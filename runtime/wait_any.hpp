// wait_any.hpp: poll(2) that suspends the calling fiber and not the thread.
#pragma once

#include <poll.h>

#include <span>

#include "runtime/scheduler.hpp"

namespace coir {

// Waits until at least one of the descriptors is ready for what its `events` ask (POLLIN, POLLOUT),
// or broken, and sets every `revents`. Returns how many are; 0 at `deadline`. A negative `fd` is
// passed over.
// The descriptors may be anybody's and any number, and others run meanwhile even if one is ready at
// once.
// Suspends; a cancellation point. Errors: ECANCELED, EINTR (interrupted), EBADF when one is not
// open, EMFILE, ENOMEM, ENOSPC.
Result<std::size_t> wait_any(Scheduler& scheduler, std::span<pollfd> entries, Deadline deadline);

}  // namespace coir
