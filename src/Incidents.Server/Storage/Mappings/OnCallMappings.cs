using Incidents.Server.OnCall;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Metadata.Builders;

namespace Incidents.Server.Storage.Mappings;

internal sealed class OverrideMapping : IEntityTypeConfiguration<OverrideRow>
{
    public void Configure(EntityTypeBuilder<OverrideRow> builder)
    {
        builder.ToTable("on_call_overrides").HasKey(o => o.Id);
        builder.Property(o => o.Id).ValueGeneratedNever();
        builder.HasIndex(o => o.EndsAt);
    }
}

internal sealed class SwapMapping : IEntityTypeConfiguration<SwapRow>
{
    public void Configure(EntityTypeBuilder<SwapRow> builder)
    {
        builder.ToTable("shift_swaps").HasKey(s => s.Id);
        builder.Property(s => s.Id).ValueGeneratedNever();
        builder.Ignore(s => s.State);
        builder.HasIndex(s => new { s.Schedule, s.GivesUntil });
    }
}

internal sealed class CalendarFeedMapping : IEntityTypeConfiguration<CalendarFeedRow>
{
    public void Configure(EntityTypeBuilder<CalendarFeedRow> builder)
    {
        builder.ToTable("calendar_feeds").HasKey(f => new { f.Schedule, f.Source });
        builder.Property(f => f.ETag).HasColumnName("etag");
    }
}

internal sealed class CalendarLinkMapping : IEntityTypeConfiguration<CalendarLinkRow>
{
    public void Configure(EntityTypeBuilder<CalendarLinkRow> builder) => builder.ToTable("calendar_links").HasKey(l => new { l.Kind, l.Key });
}

internal sealed class DutyWatchMapping : IEntityTypeConfiguration<DutyWatchRow>
{
    public void Configure(EntityTypeBuilder<DutyWatchRow> builder) => builder.ToTable("duty_watches").HasKey(w => w.Schedule);
}

internal sealed class CoverageCheckMapping : IEntityTypeConfiguration<CoverageCheckRow>
{
    public void Configure(EntityTypeBuilder<CoverageCheckRow> builder)
    {
        builder.ToTable("coverage_checks").HasKey(c => c.Id);
        builder.Property(c => c.Id).ValueGeneratedNever();
        builder.Property(c => c.Holes).HasColumnType("jsonb");
    }
}
