-- errno.lua: the module `errno`: its constants, strerror, and the current error of the fiber.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local errno = require 'errno'

t.case('constants', function()
  for _, name in ipairs(t.errno_names) do t.check(name, errno[name]) end
  t.check('a name that is not defined', errno.ENOSUCHNAME)
  t.check('a name in lower case', errno.einval)
  t.raises('assigning a constant', function() errno.EMINE = 1 end)
end)

t.case('strerror', function()
  t.check('strerror of a constant', errno.strerror(errno.ENOENT))
  t.check('strerror of a number', errno.strerror(32))
  t.check('strerror of 0', errno.strerror(0))
  t.check('strerror of an unknown number', errno.strerror(9999))
  t.check('strerror of a number in a string', errno.strerror('2'))
  t.refuses('strerror of another string', errno.strerror, 'ENOENT')
  t.refuses('strerror of a table', errno.strerror, {})
  errno(errno.EPIPE)
  t.check('strerror of the current error', errno.strerror())
end)

t.case('current', function()
  errno(0)
  t.check('nothing has failed', errno())
  t.check('setting returns what was before', errno(errno.EPIPE))
  t.check('reading what was set', t.errno(errno()))
  t.check('setting again', t.errno(errno(errno.EBADF)))
  t.check('reading again', t.errno(errno()))
  t.check('it does not change by itself', t.errno(errno()))
  t.refuses('setting nil', errno, nil)
  t.refuses('setting a string', errno, 'EBADF')
end)

t.case('after calls', function()
  local socket = require 'socket'
  errno(0)
  t.check('a module function fails', socket('AF_NONE', 'SOCK_STREAM', 'tcp'), t.errno(errno()))
  local s = socket('AF_INET', 'SOCK_STREAM', 'tcp')
  t.check('a method fails', s:sysread(1) == nil, t.errno(errno()))
  t.check('the same number in both places', s:errno() == errno.ENOTCONN)
end)

os.exit(0)
