-- errno_test.lua: the module errno.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'

local names = [[
E2BIG EACCES EADDRINUSE EADDRNOTAVAIL EAFNOSUPPORT EAGAIN EALREADY EBADF EBADMSG EBUSY ECANCELED
ECHILD ECONNABORTED ECONNREFUSED ECONNRESET EDEADLK EDESTADDRREQ EDOM EDQUOT EEXIST EFAULT EFBIG
EHOSTUNREACH EIDRM EILSEQ EINPROGRESS EINTR EINVAL EIO EISCONN EISDIR ELOOP EMFILE EMLINK
EMSGSIZE EMULTIHOP ENAMETOOLONG ENETDOWN ENETRESET ENETUNREACH ENFILE ENOBUFS ENODATA ENODEV
ENOENT ENOEXEC ENOLCK ENOLINK ENOMEM ENOMSG ENOPROTOOPT ENOSPC ENOSR ENOSTR ENOSYS ENOTCONN
ENOTDIR ENOTEMPTY ENOTSOCK ENOTSUP ENOTTY ENXIO EOPNOTSUPP EOVERFLOW EPERM EPIPE EPROTO
EPROTONOSUPPORT EPROTOTYPE ERANGE EROFS ESPIPE ESRCH ESTALE ETIME ETIMEDOUT ETXTBSY EWOULDBLOCK
EXDEV ESOCKTNOSUPPORT EPFNOSUPPORT ESHUTDOWN EHOSTDOWN ENOTBLK
]]

test.case('every name is a positive integer', function()
  local count = 0
  for name in names:gmatch('%S+') do
    test.ok(math.type(errno[name]) == 'integer' and errno[name] > 0, name)
    count = count + 1
  end
  test.equal(count, 79 + 5)
end)

test.case('well-known names have Linux\'s numbers', function()
  test.equal({ errno.EPERM, errno.EAGAIN, errno.EINVAL, errno.EPIPE, errno.ETIMEDOUT,
    errno.ECONNREFUSED },
    { 1, 11, 22, 32, 110, 111 })
end)

test.case('a number leads back to its name', function()
  test.equal({ errno[110], errno[11], errno[1] }, { 'ETIMEDOUT', 'EAGAIN', 'EPERM' })
  for name in names:gmatch('%S+') do
    local number = errno[name]
    test.equal(errno[errno[number]], number)
  end
  test.equal(errno[errno.ENOTSUP], 'EOPNOTSUPP')
end)

test.case('an unknown name or number is nil', function()
  test.equal(errno.ENOSUCHTHING, nil)
  test.equal(errno[0], nil)
  test.equal(errno[9999], nil)
  test.equal(errno[-1], nil)
  test.equal(errno[1.5], nil)
  test.equal(errno[true], nil)
end)

test.case('constants can neither be made nor changed', function()
  test.raises("Can't create new errno constants", function() errno.EMINE = 1 end)
  test.raises("Can't create new errno constants", function() errno.EPERM = 2 end)
  test.equal(errno.EPERM, 1)
end)

test.case('strerror says the text of a number', function()
  test.equal(errno.strerror(errno.EINVAL), 'Invalid argument')
  test.equal(errno.strerror(0), 'Success')
  test.match(errno.strerror(9999), '^Unknown error 9999$')
  test.match(errno.strerror(-1), '^Unknown error %-1$')
  test.equal(errno.strerror('22'), 'Invalid argument')
end)

test.case('strerror without a number says the text of the last error', function()
  errno(errno.EBADF)
  test.equal(errno.strerror(), 'Bad file descriptor')
end)

test.case('strerror refuses what is no number', function()
  test.raises('number expected', errno.strerror, 'x')
  test.raises('number expected', errno.strerror, nil)
  test.raises('number has no integer representation', errno.strerror, 1.5)
  test.raises('out of range', errno.strerror, math.maxinteger)
end)

test.case('calling the module tells the last error, and sets it', function()
  errno(errno.EPERM)
  test.equal(errno(), errno.EPERM)
  test.equal(errno(errno.EBADF), errno.EPERM)
  test.equal(errno(0), errno.EBADF)
  test.equal(errno(), 0)
end)

test.case('setting it to what is no number raises', function()
  test.raises('number expected', errno, nil)
  test.raises('number expected', errno, 'x')
  test.raises('out of range', errno, 1 << 40)
end)

test.case('a failed call leaves its code in errno()', function()
  local s = socket('AF_INET', 'SOCK_STREAM', 0)
  errno(0)
  test.refused('ENOTCONN', s:shutdown())
  test.equal(errno(), errno.ENOTCONN)
  test.equal({ socket('AF_NONE', 'SOCK_STREAM') }, { nil, 'Invalid argument', errno.EINVAL })
  test.equal(errno(), errno.EINVAL)
end)

test.case('each fiber has an errno() of its own, across waits', function()
  local seen = {}
  local function hold(code)
    return function()
      errno(code)
      fiber.yield()
      seen[#seen + 1] = errno()
      fiber.sleep(0.001)
      seen[#seen + 1] = errno()
    end
  end
  local a, b = fiber.spawn(hold(errno.EBADF)), fiber.spawn(hold(errno.EPERM))
  errno(errno.ENOENT)
  a:join()
  b:join()
  test.equal(errno(), errno.ENOENT)
  table.sort(seen)
  test.equal(seen, { errno.EPERM, errno.EPERM, errno.EBADF, errno.EBADF })
end)

test.case('a new fiber begins without an error', function()
  errno(errno.EPERM)
  local f = fiber.spawn(function() return errno() end)
  test.equal({ f:join() }, { true, 0 })
end)

test.case('a wait that times out leaves ETIMEDOUT', function()
  local a = socket.socketpair('AF_UNIX', 'SOCK_STREAM', 0)
  test.fails('ETIMEDOUT', a:read(1, 0.001))
  test.equal(errno(), errno.ETIMEDOUT)
end)

test.case('the module answers to both names', function()
  test.equal(rawequal(require 'errno', require 'coir.errno'), true)
end)

test.finish()
