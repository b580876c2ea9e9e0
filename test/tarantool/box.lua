-- box.lua: the names of Tarantool 1.6 under the global `box`, as in the wiki page "sockets 1.6".
--
-- Tarantool 2.6 has them no more: there, the module of today stands in for each. So the transcripts
-- agree when coir's `box.errno`, `box.socket` and `box.fiber` are those modules.

local here = arg[0]:match('^.*/') or './'
local t = dofile(here .. 'transcript.lua')

local function member(name)
  local ok, value = pcall(function() return box[name] end)
  return ok and value or require(name)
end

local box_errno, box_socket, box_fiber = member('errno'), member('socket'), member('fiber')

t.case('errno', function()
  t.check('the same object', box_errno == require('errno'))
  t.check('a constant', box_errno.EBUSY)
  t.check('strerror', box_errno.strerror(box_errno.EBUSY))
  box_errno(box_errno.EPIPE)
  t.check('the current error', t.errno(box_errno()))
end)

t.case('modules', function()
  t.check('socket', box_socket == require('socket'))
  t.check('fiber', box_fiber == require('fiber'))
end)

t.case('an echo server', function()
  local create = box_fiber.wrap or box_fiber.create
  local ms = box_socket('PF_INET', 'SOCK_STREAM', 'tcp')
  ms:nonblock(true)
  t.check('bind', ms:bind('127.0.0.1', 0))
  t.check('listen', ms:listen(128))
  local port = ms:name().port
  create(function()
    while ms:readable() do
      local client = ms:accept()
      client:nonblock(true)
      create(function(accepted)
        local request = accepted:read({ chunk = 512, line = '\n' })
        accepted:shutdown('READ')
        accepted:write(request)
        accepted:close()
      end, client)
    end
  end)

  local s = box_socket('PF_INET', 'SOCK_STREAM', 'tcp')
  if not s:sysconnect('127.0.0.1', port) then
    t.check('connecting', t.errno(s:errno()), t.errno(box_errno()))
  end
  s:writable()
  t.check('a request', s:write('hello\n'))
  t.check('the answer', s:read('\n'))
  t.check('the end', s:read(100))

  local data = s:sysread(4096)
  t.check('sysread at the end', data)
  s:close()
end)

t.case('a failure', function()
  local s = box_socket('AF_NONE', 'SOCK_STREAM', 'tcp')
  t.check('of the constructor', s, t.errno(box_errno()), box_errno.strerror(box_errno()))
  s = box_socket('AF_INET', 'SOCK_STREAM', 'tcp')
  local data = s:sysread(4096)
  t.check('of a method', data, t.errno(s:errno()), s:error())
end)

os.exit(0)
