--- fuzz_values.lua: random arguments and objects for fuzz_test.lua.
local fiber = require 'fiber'
local loopback = require 'loopback'
local socket = require 'socket'

local values = {}

local random = math.random
local function one_of(list) return list[random(#list)] end

local huge = ('h'):rep(10 << 20)

-- -- Plain values ---------------------------------------------------------------------------------

-- No integer here is the id of a living fiber, or the number of a descriptor that is not ours.
local integers = { -1, -2, 1000, 1001, 65535, 65536, 1 << 31, (1 << 31) - 1, -(1 << 31), 1 << 32,
  math.maxinteger,
  math.mininteger }
local sizes = { 0, 1, 2, 3, 5, 100, 16320, 65536 }
local floats = { 0 / 0, math.huge, -math.huge, 1e300, -1e300, 0.5, -0.0, 1e-9, 0.001, 2 ^ 53,
  2 ^ 63 }

-- None is `unix/`: with any other text behind it that would leave files about.
local strings = { '', '\0', 'a\0b', '\n', '\r\n', 'x', '%s%n', ('y'):rep(300), '127.0.0.1', '::1',
  '::1%lo', 'localhost',
  '256.256.256.256', '1.2.3.4.5', '[::1]', '127.0.0.1:80', '80x', '0', '-1', '0x10', '1e5',
  'AF_INET', 'AF_UNIX',
  'AF_INET6', 'PF_X25', 'SOCK_STREAM', 'SOCK_DGRAM', 'SOCK_RAW', 'tcp', 'udp', 'SOL_SOCKET',
  'IPPROTO_TCP', 'IPPROTO_IP',
  'IPPROTO_IPV6', 'IPPROTO_UDP', 'MSG_PEEK', 'MSG_OOB', 'MSG_DONTWAIT', 'MSG_TRUNC', 'R', 'rw',
  'both', 'auto', 'no',
  '239.1.2.3', 'ff11::5', 'lo', 'reno', 'ÿþ', '\255\254' }

local option_names = {}
for _, options in pairs(socket.internal.SO_OPT) do
  for name in pairs(options) do option_names[#option_names + 1] = name end
end
table.sort(option_names)

local functions = { function() end, function(...) return ... end, fiber.yield,
    function() pcall(fiber.sleep, 0.001) end,
  function() return pcall(error, {}) end }

-- -- Objects --------------------------------------------------------------------------------------

local makers = {
  function() local a, b = loopback.pair(); return a, b end,
  function()
    local a, b = loopback.unix_pair(one_of { 'SOCK_STREAM', 'SOCK_DGRAM', 'SOCK_SEQPACKET' })
    return a, b
  end,
  function() return (loopback.listener(one_of { '127.0.0.1', '::1' })) end,
  function() return (loopback.datagram(one_of { '127.0.0.1', '::1' })) end,
  function()
    return socket(one_of { 'AF_INET', 'AF_INET6', 'AF_UNIX' }, one_of { 'SOCK_STREAM', 'SOCK_DGRAM' })
  end,
  function() local s = socket('AF_UNIX', 'SOCK_STREAM', 0); s:close(); return s end,
  function() local a, b = loopback.pair(); b:close(); return a end,
  function() local a, b = loopback.pair(); b:write(('line\n'):rep(500)); return a, b end,
  function() local a, b = loopback.unix_pair(); a:sendfd(b); return b, a end,
  function() return loopback.unix_pair().rbuf end,
  function() return fiber.cond() end,
  function() return fiber.channel(random(0, 3)) end,
  function() return fiber.mutex() end,
  function() return fiber.semaphore(random(0, 2)) end,
  function() return fiber.wait_group() end,
  function() return fiber.new(one_of(functions)) end,
  function() return fiber.spawn(one_of(functions)) end,
  function() return fiber.create(pcall, fiber.sleep, 0.01) end,
}

local pool = {}

--- An object of any class in any state; old ones are forgotten little by little.
function values.object()
  if #pool < 60 or random(10) == 1 then
    for _, object in ipairs { one_of(makers)() } do
      pool[#pool < 60 and #pool + 1 or random(60)] = object
    end
  end
  return one_of(pool)
end

--- Lets go of all objects.
function values.forget() pool = {} end

--- Remembers an object that a call has returned.
function values.keep(object) pool[random(math.max(#pool, 1))] = object end

-- -- Tables ---------------------------------------------------------------------------------------

local tables = {
  function() return {} end,
  function() return { 1, 2, 3 } end,
  function() return { 'a', 'bb', '' } end,
  function() return { 'MSG_PEEK', 'MSG_DONTWAIT' } end,
  function()
    return { chunk = one_of(sizes), delimiter = one_of { '\n', 'x', { '\n', 'xx' }, { '' }, {} } }
  end,
  function() return { size = values.any(1), line = values.any(1) } end,
  function() return { truncate = true, backtrace = true, bt = values.any(1) } end,
  function()
    return { group = one_of { '239.1.2.3', 'ff11::5', 'x' }, interface = one_of { 'lo', 1, 'x', -1 } }
  end,
  function() local t = {}; t[1] = t; t.chunk = t; return setmetatable(t, t) end,
  function() return setmetatable({}, { __index = function() error('in __index', 0) end }) end,
  function() return setmetatable({}, { __index = function() fiber.yield(); return 3 end }) end,
  function()
    local function close_any() pcall(values.object().close, values.object()) end
    return setmetatable({}, { __index = close_any })
  end,
  function()
    return setmetatable({}, { __len = function() return 1 << 40 end, __tostring = type })
  end,
  function() local t = {}; for i = 1, 2000 do t[i] = 'piece' end; return t end,
}

-- -- Any value ------------------------------------------------------------------------------------

local kinds = {
  function() return nil end,
  function() return random(2) == 1 end,
  function() return one_of(integers) end,
  function() return one_of(sizes) end,
  function() return one_of(floats) end,
  function() return one_of(strings) end,
  function() return one_of(option_names) end,
  function() return one_of(functions) end,
  function() return values.object() end,
  function(depth) return (depth or 0) < 2 and one_of(tables)() or nil end,
  function() return coroutine.create(one_of(functions)) end,
  function() return random(30) == 1 and huge or 'short' end,
  function() return io.stdout end,
}

function values.any(depth) return one_of(kinds)(depth) end

--- A list of up to five random arguments, with its length in `n`.
function values.arguments()
  local list = { n = random(0, 5) }
  for i = 1, list.n do list[i] = values.any() end
  return list
end

return values
