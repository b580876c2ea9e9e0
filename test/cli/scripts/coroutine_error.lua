local function inner() error("deep inside") end
local co = coroutine.create(function() coroutine.yield(1) inner() end)
print(coroutine.resume(co))
local ok, message = coroutine.resume(co)
print(ok, message, coroutine.status(co))
print(debug.traceback(co))
print(debug.traceback(co, "with a message", 1))
print(coroutine.close(co))
coroutine.wrap(function() inner() end)()
