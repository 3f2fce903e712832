namespace Incidents.Server.Tests.Ui;

public sealed class IncidentPageTests
{
    [Test]
    public async Task A_page_shows_the_newest_of_a_long_timeline()
    {
        await using var engine = await Engine.StartAsync();
        await engine.Post("incidents", new { title = "Checkout errors", severity = "critical" });
        var number = (await engine.TheIncident())["number"]!.GetValue<long>();
        await engine.AddsNotes(number, 600);

        var page = await engine.Http.GetStringAsync(new Uri($"/i/{number}", UriKind.Relative));

        Assert.That(page, Does.Contain("note 600<").And.Contain("note 101<").And.Not.Contain("note 100<"));
    }
}
