print(collectgarbage("isrunning"), collectgarbage("incremental"), collectgarbage("generational"))
print(collectgarbage("stop"), collectgarbage("isrunning"))
print(collectgarbage("restart"), collectgarbage("isrunning"))
print(collectgarbage("incremental", 100, 200, 10))
print(collectgarbage("setpause", 150), collectgarbage("setstepmul", 300))
print(collectgarbage(), collectgarbage("collect"), collectgarbage("count") > 10)
print(collectgarbage("step", 10000))
print(pcall(collectgarbage, "nonsense"))
local weak = setmetatable({}, { __mode = "k" })
weak[{}] = 1
weak["string"] = {}
collectgarbage()
print((next(weak)), next(weak, "string"))
