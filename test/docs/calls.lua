--- calls.lua: a way to call everything that the reference has an entry for.
---
--- Each is a function that prepares what is needed and returns the call itself. The call can be made
--- without waiting for anybody wherever that is possible.
local dns = require 'coir.dns'
local errno = require 'coir.errno'
local fiber = require 'coir.fiber'
local socket = require 'coir.luasocket' -- coir.socket, and what LuaSocket has
local tarantool = require 'coir.compat.tarantool'

local function nothing() end

--- A call that needs no preparation.
local function plain(call) return function() return call end end

local function new_socket() return assert(socket('AF_INET', 'SOCK_STREAM')) end

--- Two connected sockets; the second has received a line.
local function connected()
  local left, right = assert(socket.socketpair('AF_UNIX', 'SOCK_STREAM'))
  left:nonblock(true)
  left:syswrite('a line\n')
  left:nonblock(false)
  return left, right
end

--- A call of a method of a socket that has something to read and room to write.
local function with_socket(name, ...)
  local arguments = table.pack(...)
  return function()
    local left, right = connected()
    return function()
      local _ = left -- stays open
      return right[name](right, table.unpack(arguments, 1, arguments.n))
    end
  end
end

local function with_datagram(name, ...)
  local arguments = table.pack(...)
  return function()
    local s = assert(socket('AF_INET', 'SOCK_DGRAM'))
    s:bind('127.0.0.1', 0)
    return function() return s[name](s, '127.0.0.1', s:name().port, table.unpack(arguments, 1, arguments.n)) end
  end
end

local function listening()
  local s = new_socket()
  s:bind('127.0.0.1', 0)
  s:listen()
  return s
end

local function connect()
  local listener, s = listening(), new_socket()
  return function() return s:sysconnect('127.0.0.1', listener:name().port) end
end

local function accept()
  local listener, s = listening(), new_socket()
  s:nonblock(true)
  s:sysconnect('127.0.0.1', listener:name().port)
  return function() return listener:accept(1) end
end

local function receive_descriptor()
  local left, right = connected()
  right:nonblock(true)
  right:sysread()
  left:nonblock(true)
  left:sendfd(left)
  right:nonblock(false)
  return function() return right:recvfd(1) end
end

--- A call of a method of one of the objects of coir.fiber.
local function with_object(make, name, ...)
  local arguments = table.pack(...)
  return function()
    local object = make()
    return function() return object[name](object, table.unpack(arguments, 1, arguments.n)) end
  end
end

local function sleeper() return fiber.spawn(fiber.sleep, 0.01) end
local function dead() return fiber.create(nothing) end
local function joinable() local f = fiber.spawn(nothing) f:join() return f end

local function joinable_by(join)
  return function()
    local f = joinable()
    return function() return join(f) end
  end
end

local function full_channel() local c = fiber.channel(1) c:put('x') return c end
local function free_channel() return fiber.channel(1) end
local function locked_mutex() local m = fiber.mutex() m:lock() return m end
local function unit() return fiber.semaphore(1) end
local function group_of_one() local g = fiber.wait_group() g:add() return g end

--- Two connected objects of LuaSocket; the second has received a line.
local function luasocket_pair()
  local server = assert(socket.bind('127.0.0.1', 0))
  local left = assert(socket.connect('127.0.0.1', (select(2, server:getsockname()))))
  local right = assert(server:accept())
  server:close()
  left:send('a line\n')
  socket.select({ right }, nil, 10)
  return left, right
end

--- A call of a method of a TCP object of one of the three classes.
local function with_tcp(class, name, ...)
  local arguments = table.pack(...)
  return function()
    local s, other = socket.tcp(), nil
    if class == 'server' then
      s = assert(socket.bind('127.0.0.1', 0))
      other = assert(socket.connect('127.0.0.1', (select(2, s:getsockname()))))
    elseif class == 'client' then
      other, s = luasocket_pair()
    end
    return function()
      local _ = other -- stays open
      return s[name](s, table.unpack(arguments, 1, arguments.n))
    end
  end
end

--- A call of a method of a UDP object that has a datagram to receive, from itself.
local function with_udp(has_peer, name, ...)
  local arguments = table.pack(...)
  return function()
    local s = assert(socket.udp4())
    s:setsockname('127.0.0.1', 0)
    local _, port = s:getsockname()
    s:sendto('x', '127.0.0.1', port)
    if has_peer then s:setpeername('127.0.0.1', port) end
    return function() return s[name](s, table.unpack(arguments, 1, arguments.n)) end
  end
end

local function connect_luasocket(call)
  return function()
    local server = assert(socket.bind('127.0.0.1', 0))
    local _, port = server:getsockname()
    return function() return call('127.0.0.1', port) end
  end
end

local calls = {
  ['fiber.create'] = plain(function() return fiber.create(nothing) end),
  ['fiber.wrap'] = plain(function() return fiber.wrap(nothing) end),
  ['fiber.new'] = plain(function() return fiber.new(nothing) end),
  ['fiber.spawn'] = plain(function() return fiber.spawn(nothing) end),
  ['fiber.sleep'] = plain(function() return fiber.sleep(0) end),
  ['fiber.yield'] = plain(fiber.yield),
  ['fiber.join'] = joinable_by(fiber.join),
  ['f:join'] = joinable_by(function(f) return f:join() end),
  ['fiber.set_joinable'] = plain(function() return fiber.set_joinable(sleeper(), true) end),
  ['f:set_joinable'] = plain(function() return sleeper():set_joinable(true) end),
  ['fiber.cancel'] = plain(function() return fiber.cancel(sleeper()) end),
  ['fiber.kill'] = plain(function() return fiber.kill(sleeper():id()) end),
  ['f:cancel'] = plain(function() return sleeper():cancel() end),
  ['fiber.testcancel'] = plain(function() return fiber.testcancel() end),
  ['f:testcancel'] = plain(function() return sleeper():testcancel() end),
  ['fiber.is_cancelled'] = plain(function() return fiber.is_cancelled('x') end),
  ['fiber.wakeup'] = plain(function() return fiber.wakeup(sleeper()) end),
  ['f:wakeup'] = plain(function() return sleeper():wakeup() end),
  ['fiber.self'] = plain(fiber.self),
  ['fiber.id'] = plain(function() return fiber.id() end),
  ['f:id'] = with_object(dead, 'id'),
  ['fiber.find'] = plain(function() return fiber.find(1) end),
  ['fiber.status'] = plain(function() return fiber.status() end),
  ['f:status'] = with_object(dead, 'status'),
  ['fiber.name'] = plain(function() return fiber.name('some name') end),
  ['f:name'] = with_object(fiber.self, 'name'),
  ['fiber.info'] = plain(function() return fiber.info { backtrace = true } end),
  ['f:info'] = with_object(fiber.self, 'info'),
  ['f:csw'] = with_object(dead, 'csw'),
  ['fiber.traceback'] = plain(function() return fiber.traceback() end),
  ['f:traceback'] = with_object(dead, 'traceback'),
  ['f.storage'] = plain(function() return fiber.self().storage end),
  ['fiber.top_enable'] = plain(fiber.top_enable),
  ['fiber.top_disable'] = plain(fiber.top_disable),
  ['fiber.top'] = plain(function() fiber.top_enable() return fiber.top() end),
  ['fiber.clock'] = plain(fiber.clock),
  ['fiber.clock64'] = plain(fiber.clock64),
  ['fiber.time'] = plain(fiber.time),
  ['fiber.time64'] = plain(fiber.time64),

  ['fiber.cond'] = plain(fiber.cond),
  ['cond:wait'] = with_object(fiber.cond, 'wait', 0),
  ['cond:signal'] = with_object(fiber.cond, 'signal'),
  ['cond:broadcast'] = with_object(fiber.cond, 'broadcast'),
  ['fiber.channel'] = plain(function() return fiber.channel(1) end),
  ['channel:put'] = with_object(free_channel, 'put', 'x'),
  ['channel:get'] = with_object(full_channel, 'get'),
  ['channel:close'] = with_object(full_channel, 'close'),
  ['fiber.mutex'] = plain(fiber.mutex),
  ['mutex:lock'] = with_object(fiber.mutex, 'lock'),
  ['mutex:try_lock'] = with_object(fiber.mutex, 'try_lock'),
  ['mutex:unlock'] = with_object(locked_mutex, 'unlock'),
  ['fiber.semaphore'] = plain(function() return fiber.semaphore(1) end),
  ['semaphore:acquire'] = with_object(unit, 'acquire'),
  ['semaphore:release'] = with_object(unit, 'release'),
  ['semaphore:count'] = with_object(unit, 'count'),
  ['fiber.wait_group'] = plain(fiber.wait_group),
  ['group:add'] = with_object(fiber.wait_group, 'add', 1),
  ['group:done'] = with_object(group_of_one, 'done'),
  ['group:wait'] = with_object(fiber.wait_group, 'wait'),
  ['group:count'] = with_object(fiber.wait_group, 'count'),

  ['socket'] = plain(function() return socket('AF_INET', 'SOCK_STREAM', 'tcp') end),
  ['socket.socketpair'] = plain(function() return socket.socketpair('AF_UNIX', 'SOCK_STREAM') end),
  ['socket.from_fd'] = plain(function() return socket.from_fd(-1) end),
  ['socket.getaddrinfo'] = plain(function() return socket.getaddrinfo('127.0.0.1', 80) end),
  ['socket.tcp_connect'] = function()
    local listener = listening()
    return function() return socket.tcp_connect('127.0.0.1', listener:name().port) end
  end,
  ['socket.tcp_server'] = plain(function() return socket.tcp_server('127.0.0.1', 0, nothing):close() end),
  ['socket.tcp_server_create'] = plain(function() return socket.tcp_server_create('127.0.0.1', 0) end),
  ['socket.tcp_server_loop'] = plain(function() return socket.tcp_server_loop(new_socket(), nothing) end),
  ['socket.udp_server'] = plain(function() return socket.udp_server('127.0.0.1', 0, nothing):close() end),
  ['s:stop'] = function()
    local server = socket.tcp_server_create('127.0.0.1', 0)
    return function() return server:stop() end
  end,
  ['socket.iowait'] = plain(function() return socket.iowait(1, 'w', 0) end),
  ['socket.errno'] = plain(socket.errno),
  ['socket.error'] = plain(socket.error),
  ['s:sysconnect'] = connect,
  ['s:bind'] = plain(function() return new_socket():bind('127.0.0.1', 0) end),
  ['s:sysbind'] = plain(function() return new_socket():sysbind('127.0.0.1') end),
  ['s:listen'] = plain(function() return new_socket():listen() end),
  ['s:accept'] = accept,
  ['s:name'] = with_socket('name'),
  ['s:peer'] = with_socket('peer'),
  ['s:read'] = with_socket('read', 3),
  ['s:readline'] = with_socket('readline'),
  ['s:read_any'] = with_socket('read_any'),
  ['s:peek'] = with_socket('peek', '\n'),
  ['s:unread'] = with_socket('unread', 'x'),
  ['s:lines'] = with_socket('lines'),
  ['s:setmaxline'] = with_socket('setmaxline', 100),
  ['s.rbuf'] = plain(function() return new_socket().rbuf end),
  ['rbuf:size'] = plain(function() return new_socket().rbuf:size() end),
  ['s:write'] = with_socket('write', { 'x', 'y' }),
  ['s:writev'] = with_socket('writev', 'x', 'y'),
  ['s:setvbuf'] = with_socket('setvbuf', 'no'),
  ['s:flush'] = with_socket('flush'),
  ['s:sysread'] = with_socket('sysread'),
  ['s:syswrite'] = with_socket('syswrite', 'x'),
  ['s:recv'] = with_socket('recv'),
  ['s:recvfrom'] = with_socket('recvfrom'),
  ['s:send'] = with_socket('send', 'x'),
  ['s:sendto'] = with_datagram('sendto', 'x'),
  ['s:sendfd'] = with_socket('sendfd', 1),
  ['s:recvfd'] = receive_descriptor,
  ['s:readable'] = with_socket('readable'),
  ['s:writable'] = with_socket('writable'),
  ['s:wait'] = with_socket('wait'),
  ['s:close'] = with_socket('close'),
  ['s:shutdown'] = with_socket('shutdown'),
  ['s:detach'] = plain(function() return socket.from_fd(assert(new_socket():detach())):close() end),
  ['s:nonblock'] = with_socket('nonblock'),
  ['s:fd'] = with_socket('fd'),
  ['s:errno'] = with_socket('errno'),
  ['s:error'] = with_socket('error'),
  ['s:setsockopt'] = with_socket('setsockopt', 'socket', 'SO_SNDBUF', 10000),
  ['s:getsockopt'] = with_socket('getsockopt', 'socket', 'SO_SNDBUF'),
  ['s:linger'] = with_socket('linger'),

  ['dns.query'] = plain(function() return dns.query('no..name', 'A') end),
  ['dns.servers'] = plain(function() return dns.servers() end),
  ['dns.flush'] = plain(dns.flush),
  ['dns.files'] = plain(function() return dns.files() end),
  ['socket.connect'] = connect_luasocket(socket.connect),
  ['socket.connect4'] = connect_luasocket(socket.connect4),
  ['socket.connect6'] = plain(function() return socket.connect6('::1', 1) end),
  ['socket.bind'] = plain(function() return socket.bind('127.0.0.1', 0) end),
  ['socket.unix'] = plain(function() return socket.unix() end),
  ['socket.select'] = plain(function() return socket.select({}, {}, 0) end),
  ['socket.sleep'] = plain(function() return socket.sleep(0) end),
  ['socket.gettime'] = plain(socket.gettime),
  ['socket.newtry'] = plain(socket.newtry),
  ['socket.try'] = plain(function() return socket.try(1) end),
  ['socket.protect'] = plain(function() return socket.protect(nothing) end),
  ['socket.skip'] = plain(function() return socket.skip(1, 2) end),
  ['socket.choose'] = plain(function() return socket.choose({}) end),
  ['socket.source'] = plain(function() return socket.source(socket.tcp()) end),
  ['socket.sink'] = plain(function() return socket.sink(socket.tcp()) end),
  ['socket.dns.toip'] = plain(function() return socket.dns.toip('127.0.0.1') end),
  ['socket.dns.tohostname'] = plain(function() return socket.dns.tohostname('127.0.0.1') end),
  ['socket.dns.getaddrinfo'] = plain(function() return socket.dns.getaddrinfo('127.0.0.1') end),
  ['socket.dns.getnameinfo'] = plain(function() return socket.dns.getnameinfo('127.0.0.1', '80') end),
  ['socket.dns.gethostname'] = plain(socket.dns.gethostname),
  ['tcp:connect'] = connect_luasocket(function(...) return socket.tcp():connect(...) end),
  ['tcp:setpeername'] = connect_luasocket(function(...) return socket.tcp():setpeername(...) end),
  ['tcp:bind'] = with_tcp('master', 'bind', '127.0.0.1', 0),
  ['tcp:setsockname'] = with_tcp('master', 'setsockname', '127.0.0.1', 0),
  ['tcp:listen'] = with_tcp('master', 'listen'),
  ['tcp:accept'] = with_tcp('server', 'accept'),
  ['tcp:receive'] = with_tcp('client', 'receive'),
  ['tcp:send'] = with_tcp('client', 'send', 'x'),
  ['tcp:shutdown'] = with_tcp('client', 'shutdown'),
  ['tcp:getstats'] = with_tcp('client', 'getstats'),
  ['tcp:setstats'] = with_tcp('client', 'setstats', 0),
  ['tcp:getpeername'] = with_tcp('client', 'getpeername'),
  ['udp:setpeername'] = with_udp(false, 'setpeername', '127.0.0.1', 9),
  ['udp:setsockname'] = plain(function() return socket.udp():setsockname('127.0.0.1', 0) end),
  ['udp:receive'] = with_udp(false, 'receive'),
  ['udp:receivefrom'] = with_udp(false, 'receivefrom'),
  ['udp:send'] = with_udp(true, 'send', 'x'),
  ['udp:sendto'] = with_udp(false, 'sendto', 'x', '127.0.0.1', 9),
  ['udp:getpeername'] = with_udp(true, 'getpeername'),

  ['errno'] = plain(function() return errno() end),
  ['errno.strerror'] = plain(function() return errno.strerror() end),
  ['tarantool.install'] = plain(tarantool.install),
}

for _, name in ipairs { 'size', 'count', 'is_full', 'is_empty', 'is_closed', 'has_readers', 'has_writers' } do
  calls['channel:' .. name] = with_object(fiber.channel, name)
end

for _, name in ipairs { 'tcp', 'tcp4', 'tcp6', 'udp', 'udp4', 'udp6' } do
  calls['socket.' .. name] = plain(socket[name])
end

for _, name in ipairs { 'stream', 'tcp', 'dgram', 'udp' } do
  calls['unix.' .. name] = plain(socket.unix[name])
end

for name, argument in pairs {
  settimeout = 1, gettimeout = false, getsockname = false, getfamily = false, setoption = 'reuseaddr',
  getoption = 'reuseaddr', getfd = false, setfd = -1, dirty = false, close = false,
} do
  calls['tcp:' .. name] = with_tcp('client', name, argument or nil, true)
  calls['udp:' .. name] = with_udp(false, name, argument or nil, true)
end
calls['tcp:settimeout'], calls['udp:settimeout'] = with_tcp('client', 'settimeout', 1), with_udp(false, 'settimeout', 1)

for _, name in ipairs { 'dns', 'sourcet', 'sinkt', 'BLOCKSIZE', '_VERSION', '_SETSIZE', '_SOCKETINVALID', '_DATAGRAMSIZE' } do
  calls['socket.' .. name] = plain(function() return assert(socket[name]) end)
end

for _, name in ipairs { 'SHUT_RD', 'SHUT_WR', 'SHUT_RDWR', 'internal' } do
  calls['socket.' .. name] = plain(function() return assert(socket[name]) end)
end

for _, name in ipairs { 'dns', 'errno', 'fiber', 'socket' } do
  calls['coir.' .. name] = plain(function() return assert(require('coir')[name]) end)
end

for _, name in ipairs { 'errno', 'fiber', 'socket', 'box' } do
  calls['tarantool.' .. name] = plain(function() return assert(tarantool[name]) end)
end

--- The same for what depends on the socket's mode, in immediate mode and with nothing to be had at once.
local function immediately(name, ...)
  local arguments = table.pack(...)
  return function()
    local left, right = assert(socket.socketpair('AF_UNIX', 'SOCK_STREAM'))
    right:nonblock(true)
    return function()
      local _ = left
      return right[name](right, table.unpack(arguments, 1, arguments.n))
    end
  end
end

calls.immediate = {
  ['s:sysconnect'] = plain(function()
    local s = new_socket()
    s:nonblock(true)
    return s:sysconnect('127.0.0.1', 1)
  end),
  ['s:accept'] = plain(function()
    local listener = listening()
    listener:nonblock(true)
    return listener:accept()
  end),
  ['s:sendto'] = plain(function()
    local s = assert(socket('AF_INET', 'SOCK_DGRAM'))
    s:nonblock(true)
    return s:sendto('127.0.0.1', 9, 'x')
  end),
  ['s:sysread'] = immediately('sysread'),
  ['s:syswrite'] = immediately('syswrite', 'x'),
  ['s:recv'] = immediately('recv'),
  ['s:recvfrom'] = immediately('recvfrom'),
  ['s:send'] = immediately('send', 'x'),
  ['s:sendfd'] = immediately('sendfd', 1),
  ['s:recvfd'] = immediately('recvfd'),
}

calls['coir.hooks'] = plain(function() return require('coir').hooks() end)

return calls
