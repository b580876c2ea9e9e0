-- fuzz_test.lua [seed [seconds]]: calls every function and method with random arguments. Whatever
-- they are, a call ends with a Lua error or with what is documented; a crash shows as the end of
-- the process.
package.path = (arg[0]:match('^.*/') or './') .. '?.lua;' .. package.path
local test = require 'test'
local descriptors = require 'descriptors'
local errno = require 'errno'
local fiber = require 'fiber'
local socket = require 'socket'
local values = require 'fuzz_values'

local seed = tonumber(arg[1]) or os.time()
local duration = tonumber(arg[2]) or 4
math.randomseed(seed)
print('seed ' .. seed)

-- -- What is called -------------------------------------------------------------------------------

local targets = {}
local function add(name, f) targets[#targets + 1] = { name = name, call = f } end

--- LuaSocket's, which raise or return whatever they are given.
local raising = { try = true, newtry = true, protect = true, skip = true }

local function add_functions(module_name, module)
  for name, f in pairs(module) do
    if type(f) == 'function' and not raising[name] then add(module_name .. '.' .. name, f) end
  end
end

add('socket', function(...) return socket(...) end)
add('errno', function(...) return errno(...) end)
add_functions('socket', socket)
add_functions('fiber', fiber)
add_functions('errno', { strerror = errno.strerror })

local method_names = {}
for name in ([[
  accept bind close detach errno error fd flush getsockopt linger lines listen name nonblock peek
  peer read read_any readable readline recv recvfd recvfrom send sendfd sendto setmaxline
  setsockopt setvbuf shutdown sysbind sysconnect sysread syswrite unread wait writable write
  writev size signal broadcast put get count is_full is_empty has_readers has_writers is_closed
  lock try_lock unlock acquire release add done join set_joinable status id cancel wakeup
  testcancel info csw traceback stop
]]):gmatch('%S+') do
  method_names[#method_names + 1] = name
end

for _, name in ipairs(method_names) do
  add(':' .. name, function(...)
    local object = values.object()
    local method = object[name]
    if method == nil then return end
    if math.random(20) == 1 then return method(...) end -- with anything as the object
    return method(object, ...)
  end)
end

-- What real arguments reach more often than random ones.
add('setsockopt with a level', function(name, value)
  local object = values.object()
  local level = ({ 'SOL_SOCKET', 'IPPROTO_TCP', 'IPPROTO_IP', 'IPPROTO_IPV6',
    'IPPROTO_UDP' })[math.random(5)]
  return object.setsockopt(object, level, name, value)
end)
add('abstract names', function(port)
  local object = values.object()
  local method = ({ 'bind', 'sysconnect', 'sendto' })[math.random(3)]
  return object[method](object, 'unix/', '\0fuzz ' .. math.random(5), port)
end)
add('another owner', function() return socket.from_fd(values.object():fd()) end)
add('metamethods', function(other)
  local object = values.object()
  return tostring(object), object == other, #object, object[other]
end)
table.sort(targets, function(a, b) return a.name < b.name end)

-- -- One call -------------------------------------------------------------------------------------

local failures = {}
local function complain(target, what, ...)
  local list = table.pack(...)
  for i = 1, list.n do list[i] = tostring(list[i]):sub(1, 200) end
  failures[#failures + 1] = ('%s: %s: %s'):format(target.name, what, table.concat(list, ', '))
end

--- Descriptors that a call gives away get a new owner.
local function adopt(target, results)
  if target.name ~= ':detach' and target.name ~= ':recvfd' then return end
  if math.type(results[2]) == 'integer' then values.keep(socket.from_fd(results[2])) end
end

local function check_results(target, results)
  local ok, first, message, code = results[1], results[2], results[3], results[4]
  if not ok then
    if fiber.is_cancelled(first) or type(first) == 'userdata' then return end
    if type(first) ~= 'string' or first:find('bad argument #%-')
        or first:find('bad argument #%d%d') then
      complain(target, 'an odd error', first)
    end
  elseif not first and type(code) == 'number' then
    if type(message) ~= 'string' or math.type(code) ~= 'integer' or not errno[code] then
      complain(target, 'an odd failure', first, message, code)
    end
  end
end

--- Ways to make the call: plainly, inside a coroutine, inside a finalizer.
local function call(target, arguments)
  local way = math.random(100)
  if way > 10 then return pcall(target.call, table.unpack(arguments, 1, arguments.n)) end
  if way > 1 then
    return pcall(coroutine.wrap(target.call), table.unpack(arguments, 1, arguments.n))
  end
  local results = {}
  setmetatable({}, { __gc = function()
    results = table.pack(pcall(target.call, table.unpack(arguments, 1, arguments.n)))
  end })
  collectgarbage()
  return table.unpack(results, 1, results.n)
end

--- Numbers of descriptors that are not ours must not be closed or given away.
local takes_descriptors = { ['socket.from_fd'] = true, ['socket.iowait'] = true,
  ['socket.tcp_server_loop'] = true, [':sendfd'] = true }

local function spare_descriptors(target, arguments)
  if not takes_descriptors[target.name] then return end
  for i = 1, arguments.n do
    local value = type(arguments[i]) ~= 'table' and tonumber(arguments[i])
    if value and value > -1 and value < 1000 then arguments[i] = 1000 end
  end
end

local function run_one(target)
  local arguments = values.arguments()
  spare_descriptors(target, arguments)
  local results
  local f = fiber.spawn(function() results = table.pack(call(target, arguments)) end)
  if not f:join(0.001) then
    pcall(f.cancel, f) -- it may have ended meanwhile
    if not f:join(10) and f:status() ~= 'dead' then
      complain(target, 'goes on after cancellation', f:traceback())
    end
  end
  if results and results.n > 0 then
    adopt(target, results)
    check_results(target, results)
  end
end

-- -- The loop -------------------------------------------------------------------------------------

local open_before = descriptors.count()
local last = fiber.clock() + duration
local calls = 0
while fiber.clock() < last and #failures < 20 do
  for _ = 1, 100 do
    run_one(targets[math.random(#targets)])
    calls = calls + 1
  end
  if calls % 2000 == 0 then collectgarbage() end
end
print(('%d calls of %d functions and methods'):format(calls, #targets))

test.case('every call ends with an error or a documented result', function()
  test.equal(failures, {})
  test.ok(calls > 0)
end)

test.case('afterwards everything is let go of', function()
  values.forget()
  for id in pairs(fiber.info()) do
    local f = id ~= fiber.id() and fiber.find(id)
    if f and (f:name() == 'lua' or f:name():find('^server/')) then f:cancel() end
  end
  test.settle()
  collectgarbage()
  collectgarbage()
  test.settle()
  collectgarbage()
  test.ok(descriptors.count() <= open_before + 2,
    ('%d descriptors, %d before'):format(descriptors.count(), open_before))
end)

test.case('afterwards sockets and fibers still work', function()
  local loopback = require 'loopback'
  local a, b = loopback.pair()
  fiber.new(function() b:write(b:readline():upper()) end)
  a:write('hello\n')
  test.equal(a:readline(), 'HELLO\n')
end)

test.finish()
