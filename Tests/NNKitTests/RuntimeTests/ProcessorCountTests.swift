import CNNKitPlatform
import Glibc
import NNKit
import Testing

@Suite struct ProcessorCountTests {
  @Test func theQuotaIsRoundedUpAndTheSmallerOfQuotaAndAffinityCounts() {
    #expect(ProcessorCount.available(affinity: 8, quota: nil) == 8)
    #expect(ProcessorCount.available(affinity: 8, quota: 1.01) == 2)
    #expect(ProcessorCount.available(affinity: 8, quota: 2) == 2)
    #expect(ProcessorCount.available(affinity: 8, quota: 0.2) == 1)
    #expect(ProcessorCount.available(affinity: 2, quota: 16) == 2)
    #expect(ProcessorCount.available(affinity: 2, quota: 1e300) == 2)
    #expect(ProcessorCount.available(affinity: 100_000, quota: nil) == ProcessorCount.maximumThreads)
    #expect(ProcessorCount.available(affinity: 0, quota: nil) >= 1)
  }

  @Test func thisProcessMayUseAtLeastOneProcessor() {
    #expect((1...ProcessorCount.maximumThreads).contains(ProcessorCount.available()))
  }

  @Test func theAffinityMaskLimitsTheCount() {
    let counts = Counters(1)
    // A thread's mask is its own: the tests beside this one keep theirs.
    let thread = HostThread {
      guard nnkit_platform_keep_one_processor() else { return }
      if ProcessorCount.available() == 1 { counts.add(0) }
    }
    thread.join()
    #expect(counts[0] == 1)
  }

  @Test func theVariableOverridesTheDefault() throws {
    #expect(try ProcessorCount.defaultThreads(environment: "3") == 3)
    #expect(try ProcessorCount.defaultThreads(environment: nil) == ProcessorCount.available())
    #expect(try ProcessorCount.defaultThreads(environment: "") == ProcessorCount.available())
  }

  @Test(arguments: ["0", "-1", "two", "1.5", " 2", "1025", "99999999999999999999"])
  func anInvalidVariableIsAnErrorThatSaysWhatIsAllowed(text: String) {
    let error = #expect(throws: NNKitError.self) { try ProcessorCount.defaultThreads(environment: text) }
    #expect(error?.code == .invalidArgument)
    #expect(error?.message.contains("NNKIT_NUM_THREADS=\(text)") == true)
    #expect(error?.message.contains("1 to 1024") == true)
  }
}

@Suite struct ControlGroupTests {
  private static let mount2 = "31 23 0:28 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw,nsdelegate\n"

  @Test func theOwnGroupsLimitsCount() throws {
    let root = try FileRoot([
      "proc/self/cgroup": "0::/jobs/one\n", "proc/self/mountinfo": Self.mount2,
      "sys/fs/cgroup/jobs/one/cpu.max": "150000 100000\n", "sys/fs/cgroup/jobs/one/memory.max": "1073741824\n",
    ])
    let group = ControlGroup(fileRoot: root.path)
    #expect(group.processorQuota == 1.5)
    #expect(group.memoryLimitBytes == 1 << 30)
    #expect(ProcessorCount.available(fileRoot: root.path) <= 2)
    #expect(AlignedMemory.limitBytes(fileRoot: root.path) <= 1 << 30)
  }

  @Test func aParentsSmallerLimitCounts() throws {
    let root = try FileRoot([
      "proc/self/cgroup": "0::/jobs/one/two\n", "proc/self/mountinfo": Self.mount2,
      "sys/fs/cgroup/jobs/cpu.max": "50000 100000\n", "sys/fs/cgroup/jobs/one/cpu.max": "max 100000\n",
      "sys/fs/cgroup/jobs/one/two/cpu.max": "400000 100000\n",
      "sys/fs/cgroup/jobs/memory.max": "4096000\n", "sys/fs/cgroup/jobs/one/two/memory.max": "max\n",
    ])
    #expect(ControlGroup(fileRoot: root.path).processorQuota == 0.5)
    #expect(ControlGroup(fileRoot: root.path).memoryLimitBytes == 4_096_000)
    #expect(ProcessorCount.available(fileRoot: root.path) == 1)
  }

  @Test func anotherGroupsLimitDoesNotCount() throws {
    let root = try FileRoot([
      "proc/self/cgroup": "0::/jobs/one\n", "proc/self/mountinfo": Self.mount2,
      "sys/fs/cgroup/jobs/other/cpu.max": "50000 100000\n", "sys/fs/cgroup/jobs/one/cpu.max": "max 100000\n",
    ])
    #expect(ControlGroup(fileRoot: root.path).processorQuota == nil)
    #expect(ControlGroup(fileRoot: root.path).memoryLimitBytes == nil)
  }

  @Test func versionOneIsRead() throws {
    let root = try FileRoot([
      "proc/self/cgroup": "4:memory:/box\n3:cpuset:/\n1:cpu,cpuacct:/box/inner\n0::/\n",
      "proc/self/mountinfo": """
      31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw
      32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
      35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
      41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw

      """,
      "sys/fs/cgroup/cpu,cpuacct/box/inner/cpu.cfs_quota_us": "-1\n",
      "sys/fs/cgroup/cpu,cpuacct/box/inner/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_quota_us": "250000\n",
      "sys/fs/cgroup/cpu,cpuacct/box/cpu.cfs_period_us": "100000\n",
      "sys/fs/cgroup/memory/box/memory.limit_in_bytes": "8388608\n",
      "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
    ])
    #expect(ControlGroup(fileRoot: root.path).processorQuota == 2.5)
    #expect(ControlGroup(fileRoot: root.path).memoryLimitBytes == 8_388_608)
  }

  @Test(arguments: ["/docker/abc", "/../abc", "/elsewhere"])
  func insideAContainerTheMountPointIsTheGroup(path: String) throws {
    let root = try FileRoot([
      "proc/self/cgroup": "0::\(path)\n",
      "proc/self/mountinfo": "31 23 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
      "sys/fs/cgroup/cpu.max": "300000 100000\n",
    ])
    #expect(ControlGroup(fileRoot: root.path).processorQuota == 3)
  }

  @Test(arguments: ["", "max", "abc def", "100000 0", "-5 100000", "1 2 3", "99999999999999999999 100000"])
  func whatIsNoQuotaSetsNoLimit(text: String) throws {
    let root = try FileRoot([
      "proc/self/cgroup": "0::/\n", "proc/self/mountinfo": Self.mount2, "sys/fs/cgroup/cpu.max": text,
    ])
    #expect(ControlGroup(fileRoot: root.path).processorQuota == nil)
  }

  @Test func missingFilesSetNoLimit() throws {
    let root = try FileRoot([:])
    #expect(ControlGroup(fileRoot: root.path).processorQuota == nil)
    #expect(ControlGroup(fileRoot: root.path).memoryLimitBytes == nil)
  }

  @Test func withoutMountinfoTheUsualPlaceIsRead() throws {
    let root = try FileRoot(["proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/cpu.max": "100000 100000\n"])
    #expect(ControlGroup(fileRoot: root.path).processorQuota == 1)
  }
}

/// A made-up `/` in a temporary folder, gone with its last reference.
private final class FileRoot {
  let path: String
  private var entries: [String] = []

  init(_ files: [String: String]) throws {
    var template = Array("\(environmentValue("TMPDIR") ?? P_tmpdir)/nnkit-test-XXXXXX".utf8CString)
    path = String(cString: try #require(mkdtemp(&template)))
    for (name, text) in files {
      var folder = path
      for part in name.split(separator: "/").dropLast() {
        folder += "/" + part
        if mkdir(folder, 0o700) == 0 { entries.append(folder) }
      }
      let file = try #require(fopen(path + "/" + name, "w"))
      fputs(text, file)
      fclose(file)
      entries.append(path + "/" + name)
    }
  }

  deinit {
    for entry in entries.reversed() { remove(entry) }
    remove(path)
  }
}
