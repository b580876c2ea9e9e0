--- coir.compat.vendetta.client: remote calls over the line layer, the calling side.
---
--- `rpc:NAME(...)` sends a request and waits for the answer to it: a user coroutine is yielded and later resumed, and
--- code that is directly in a fiber parks the fiber. Any number of calls may be under way; answers come in any order.
---
--- A request is a line `{"id":7,"method":"NAME","params":[...]}`, an answer `{"id":7,"result":[...]}` with all the
--- values that the method returned, or `{"id":7,"error":"message"}`.
local base = require 'coir.compat.base'
local fiber = require 'coir.fiber'
local tcpsock = require 'coir.compat.vendetta.tcpsock'
local wire = require 'coir.compat.vendetta.wire'

local client = {}

local states = setmetatable({}, { __mode = 'k' }) -- rpc -> {conn =, waiting = id -> call, last_id =, lost = message}

-- -- Calls ------------------------------------------------------------------------------------------

-- A call is {waiting =, id =, done =, thread = the coroutine, or cond =, ...}. However its wait ends, it is forgotten.
local call_meta = { __close = function(call) call.waiting[call.id] = nil end }

local function resume(call)
  local thread = call.thread
  if not thread or coroutine.status(thread) ~= 'suspended' then return end
  local ok, problem = coroutine.resume(thread)
  if ok then return end
  if fiber.is_cancelled(problem) then error(problem, 0) end
  base.log.ERROR(debug.traceback(thread, base.show(problem)))
end

--- Hands an answer to the call that waits for it.
local function finish(call, answer)
  call.waiting[call.id] = nil
  call.answer = answer
  if call.thread then base.spawn('rpc', resume, call) else call.cond:signal() end
end

--- Waits for the answer. Whoever else resumes the coroutine before it has come only makes it yield again.
local function await(call)
  if coroutine.isyieldable() then
    call.thread = coroutine.running()
    repeat coroutine.yield() until call.answer
    call.thread = nil
  else
    call.cond = fiber.cond()
    repeat call.cond:wait() until call.answer
  end
  return call.answer
end

local function values(answer)
  if answer.error ~= nil then error(answer.error, 0) end
  if type(answer.result) == 'table' then return wire.unpack(answer.result) end
  return wire.clean(answer.result)
end

local function invoke(state, name, ...)
  if state.lost then error(state.lost, 0) end
  local id = state.last_id + 1
  local request = wire.encode { id = id, method = name, params = wire.pack(...) }
  state.last_id = id
  local call <close> = setmetatable({ waiting = state.waiting, id = id }, call_meta)
  state.waiting[id] = call
  state.conn:Send(request .. '\n')
  return values(await(call))
end

-- -- Answers ----------------------------------------------------------------------------------------

--- An error as text, whatever the other side made of it.
local function error_text(problem)
  if type(problem) == 'string' then return problem end
  return wire.encode(problem)
end

local function receive(state, line)
  local answer = wire.decode(line)
  local id = type(answer) == 'table' and answer.id
  local call = id and state.waiting[id]
  if not call then return end
  if answer.error ~= nil and answer.error ~= wire.null then
    finish(call, { error = error_text(answer.error) })
  else
    finish(call, { result = answer.result })
  end
end

--- From now on every call raises this, those under way, too.
local function lose(state, message)
  state.lost = message
  for _, call in pairs(state.waiting) do finish(call, { error = message }) end
end

-- -- The object -------------------------------------------------------------------------------------

local function method(rpc, name)
  return function(self, ...)
    if self ~= rpc then error(('call it as rpc:%s(...)'):format(base.show(name)), 2) end
    return invoke(states[rpc], name, ...)
  end
end

local rpc_meta = { __index = method, __name = 'rpc' }

--- Starts to connect. Calls may be made at once: they wait for the connection.
--- @param host string
--- @param port number|string
--- @param conn_handler? function gets the object when the connection stands, or `nil, message`; it may call methods
--- @param disconn_handler? function gets the object when the other side, or a failure, ends the connection
--- @return table rpc
function client.make_client(host, port, conn_handler, disconn_handler)
  local rpc = setmetatable({}, rpc_meta)
  local state = { waiting = {}, last_id = 0 }
  states[rpc] = state

  local function on_connection(conn, problem)
    if not conn then lose(state, problem) end
    -- In a fiber of its own: answers that it waits for come while it runs.
    if conn_handler then base.spawn('rpc', conn_handler, conn and rpc, problem) end
  end
  local function on_line(_, line) receive(state, line) end
  local function on_end()
    lose(state, 'the connection is lost')
    if disconn_handler then disconn_handler(rpc) end
  end
  state.conn = tcpsock.make_client(host, port, on_connection, on_line, on_end)
  return rpc
end

--- Ends the connection. Calls that wait raise; disconn_handler is not called. May be repeated.
function client.close(rpc)
  local state = states[rpc]
  if state.lost then return end
  state.conn.tcp:Disconnect()
  lose(state, 'the connection is closed')
end

return client
