-- socket_error.lua: how a socket reports errors: the error it remembers, which calls clear it, and
-- what is raised instead (wrong use, closed sockets).

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')
local loopback = dofile(here .. 'loopback.lua')
local socket = require 'socket'
local fiber = require 'fiber'

local function tcp()
  return socket('AF_INET', 'SOCK_STREAM', 'tcp')
end

t.case('remembered', function()
  local s = tcp()
  t.failed('a failed call', s, s:sysread(1))
  t.check('its text', s:error())
  t.check('errno and error do not clear it', t.errno(s:errno()))
  t.check('fd does not clear it', s:fd() > 2, t.errno(s:errno()))
  t.check('tostring does not clear it', #tostring(s) > 0, t.errno(s:errno()))
  t.failed('another failure replaces it', s, s:accept())
  t.check('its text, replaced', s:error())
  t.check('a good call clears it', s:nonblock(), s:errno(), s:error())

  local other = tcp()
  s:sysread(1)
  other:accept()
  t.check('two sockets, two errors', t.errno(s:errno()), t.errno(other:errno()))
  fiber.yield()
  t.check('it survives a yield', t.errno(s:errno()), t.errno(other:errno()))
end)

-- Calls `method` on a connected socket whose last call has failed, and tells what it remembered
-- before and what it remembers then.
local function after_failure(method, ...)
  local a, b = loopback.pair()
  b:syswrite('x')
  a:readable(5)
  a:bind('a name', 0)
  local before = a:errno()
  a[method](a, ...)
  return t.errno(before), t.errno(a:errno())
end

t.case('cleared', function()
  t.check('cleared by name', after_failure('name'))
  t.check('cleared by peer', after_failure('peer'))
  t.check('cleared by nonblock', after_failure('nonblock'))
  t.check('cleared by readable', after_failure('readable', 5))
  t.check('cleared by writable', after_failure('writable', 5))
  t.check('cleared by wait', after_failure('wait', 5))
  t.check('cleared by getsockopt', after_failure('getsockopt', 'SOL_SOCKET', 'SO_TYPE'))
  t.check('cleared by setsockopt', after_failure('setsockopt', 'SOL_SOCKET', 'SO_KEEPALIVE', true))
  t.check('cleared by linger', after_failure('linger'))
  t.check('cleared by shutdown', after_failure('shutdown', 'W'))
  t.check('cleared by write', after_failure('write', 'x'))
  t.check('cleared by syswrite', after_failure('syswrite', 'x'))
  t.check('cleared by send', after_failure('send', 'x'))
  t.check('cleared by read', after_failure('read', 1))
  t.check('cleared by sysread', after_failure('sysread', 1))
  t.check('cleared by recv', after_failure('recv', 1))
  t.check('cleared by recvfrom', after_failure('recvfrom', 1))
end)

local methods = {
  'accept', 'bind', 'close', 'errno', 'error', 'fd', 'getsockopt', 'linger', 'listen', 'name',
  'nonblock', 'peer', 'read', 'readable', 'recv', 'recvfrom', 'send', 'sendto', 'setsockopt',
  'shutdown', 'sysconnect', 'sysread', 'syswrite', 'wait', 'writable', 'write',
}

-- Good arguments for the methods that need some, so that only the socket itself is wrong.
local arguments = {
  bind = { '127.0.0.1', 0 },
  getsockopt = { 'SOL_SOCKET', 'SO_TYPE' },
  read = { 1, 0 },
  send = { 'x' },
  sendto = { '127.0.0.1', 1, 'x' },
  setsockopt = { 'SOL_SOCKET', 'SO_KEEPALIVE', true },
  sysconnect = { '127.0.0.1', 1 },
  syswrite = { 'x' },
  write = { 'x' },
}

local unpack = unpack or table.unpack

t.case('closed', function()
  local s = tcp()
  t.check('close', s:close())
  for _, name in ipairs(methods) do
    t.raises('closed, ' .. name, s[name], s, unpack(arguments[name] or {}))
  end
  t.raises('closed, tostring', tostring, s)
end)

t.case('not a socket', function()
  local s = tcp()
  for _, name in ipairs { 'read', 'close', 'errno', 'accept', 'name' } do
    t.raises('no self, ' .. name, s[name])
    t.raises('a table as self, ' .. name, s[name], {})
    t.raises('a string as self, ' .. name, s[name], 'socket')
  end
  t.check('an unknown method', s.no_such_method)
end)

t.case('wrong arguments', function()
  local s = loopback.pair()
  t.refuses('syswrite nil', s.syswrite, s, nil)
  t.refuses('syswrite a number', s.syswrite, s, 5)
  t.refuses('syswrite a boolean', s.syswrite, s, true)
  t.refuses('write nil', s.write, s, nil)
  t.refuses('write a number', s.write, s, 5)
  t.refuses('write a boolean', s.write, s, true)
  t.refuses('send nil', s.send, s, nil)
  t.refuses('send a boolean', s.send, s, true)
  t.refuses('sysread a negative size', s.sysread, s, -1)
  t.refuses('sysread a word', s.sysread, s, 'much')
  t.refuses('read a negative size', s.read, s, -1)
  t.refuses('read a negative chunk', s.read, s, { chunk = -1 })
end)

os.exit(0)
