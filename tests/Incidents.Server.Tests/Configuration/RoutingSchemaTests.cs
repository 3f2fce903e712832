using System.Reflection;
using Incidents.Server.Configuration;
using NJsonSchema;
using YamlDotNet.Serialization;

namespace Incidents.Server.Tests.Configuration;

public sealed class RoutingSchemaTests
{
    private static async Task<ICollection<NJsonSchema.Validation.ValidationError>> Validate(string yaml)
    {
        var schema = await JsonSchema.FromJsonAsync(TestChannels.Loader().RoutingSchema().ToJsonString());
        var document = new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build().Deserialize(new StringReader(yaml));
        return schema.Validate(new SerializerBuilder().JsonCompatible().Build().Serialize(document));
    }

    [Test]
    public async Task The_shipped_configuration_holds_by_the_schema()
    {
        var yaml = await File.ReadAllTextAsync(Path.Combine(AppContext.BaseDirectory, "config", "routing.yaml"));

        Assert.That((await Validate(yaml)).Select(e => e.ToString()), Is.Empty);
    }

    [TestCase("version: 2\nreceivers: [{name: a}]\nroute: {}")]
    [TestCase("version: 1\nroute: {}")]
    [TestCase("version: 1\nreceivers: [{name: a}]\nroute: {recievers: [a]}")]
    [TestCase("version: 1\nreceivers: [{name: a}]\nroute: {routes: [{routes: [{nmae: x}]}]}")]
    [TestCase("version: 1\nreceivers: [{name: a, slack: {chanel: x}}]\nroute: {}")]
    [TestCase("version: 1\nreceivers: [{name: a, pagerduty: {routing_key: literal}}]\nroute: {}")]
    [TestCase("version: 1\nincidents: {stale_after: 1.5h}\nreceivers: [{name: a}]\nroute: {}")]
    public async Task The_schema_refuses_what_the_reader_refuses(string yaml)
    {
        Assert.That(await Validate(yaml), Is.Not.Empty);
    }

    [Test]
    public void Every_field_says_what_it_means()
    {
        var schema = TestChannels.Loader().RoutingSchema();

        var route = schema["definitions"]!["route"]!["properties"]!.AsObject();
        Assert.That(schema["$schema"]!.GetValue<string>(), Does.Contain("draft-07"));
        Assert.That(route.Where(p => string.IsNullOrEmpty(p.Value!["description"]?.GetValue<string>())).Select(p => p.Key), Is.Empty);
    }

    [Test]
    public void Every_code_is_explained()
    {
        var page = File.ReadAllText(Path.Combine(RepositoryRoot(), "docs", "configuration-errors.md"));
        var codes = typeof(Code).GetFields(BindingFlags.Static | BindingFlags.Public).Select(f => (string)f.GetValue(null)!).ToArray();

        Assert.That(codes, Is.Unique);
        Assert.That(codes.Where(c => !page.Contains($"### {c}", StringComparison.Ordinal)), Is.Empty);
    }

    private static string RepositoryRoot()
    {
        var directory = new DirectoryInfo(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "Incidents.sln"))) directory = directory.Parent;
        return directory?.FullName ?? throw new InvalidOperationException("The tests run outside the repository.");
    }
}
